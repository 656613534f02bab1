"""The console: a web page for the people of the charter, beside the gateway it watches. See `pages`."""
