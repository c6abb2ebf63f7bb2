"""Live sound: radio stations, microphones, standard input, files at their own pace."""
