"""Training, calibration and evaluation of the emotion network; a command line, never imported when serving."""
