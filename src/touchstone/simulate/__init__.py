"""Pure arithmetic of a model and an engine. No clock, no device, no file but the shapes it is given."""
