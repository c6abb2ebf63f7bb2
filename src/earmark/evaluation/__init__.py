"""How good a model is: metrics, calibration, reports, robustness."""
