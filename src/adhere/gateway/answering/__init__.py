"""One exchange from admission to delivery: guard, repair, tool calls, reasoning, report."""
