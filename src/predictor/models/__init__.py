"""What is fitted: the catalog, its search spaces, and tuning with calibration."""
