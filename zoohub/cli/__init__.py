"""The command `zoo`: one file per command group, thin: parse, call, print."""
