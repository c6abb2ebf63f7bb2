"""Why a track is called what it is: evidence over time and frequency, pages and figures."""
