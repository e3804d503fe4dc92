"""What installs, compiles, lints and synthesises."""
