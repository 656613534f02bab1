"""`adhere warden ...`: principals, charter, standing orders, stops, the ledger, and agents that run under them."""
