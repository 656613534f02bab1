"""The version: of the package, of findings files, of run journals."""

VERSION = "0.1.0"
