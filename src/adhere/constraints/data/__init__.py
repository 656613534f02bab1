"""Data files of the constraints; `README.md` beside this file says where each comes from and under which terms."""
