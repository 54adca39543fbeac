"""The judging wing: turns runs into findings. No clock, no device, no network: any sceptic can re-run it on the files."""
