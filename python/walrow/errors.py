"""What goes wrong, as exceptions."""

from __future__ import annotations

from dataclasses import dataclass


class WalrowError(Exception):
    """An error of walrow's, or of the server's that it passes on.

    code: "ERR_SLOT" and so on, as in walrow.h; sqlstate: where the server said it; retryable: trying again may help
    """

    def __init__(
        self, message: str, *, hint: str = "", code: str = "ERR_UNEXPECTED", sqlstate: str | None = None,
        retryable: bool = False, exit_status: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.message, self.hint, self.code, self.sqlstate = message, hint, code, sqlstate
        self.retryable, self.exit_status = retryable, exit_status

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True)
class Finding:
    """One thing that check() has to say. severity: "error", "warning" or "info"; fix: SQL or a setting, "" if none"""

    id: str
    severity: str
    code: str
    object: str
    message: str
    current: str
    required: str
    fix: str
    restart: bool

    def __str__(self) -> str:
        about = f"{self.id} {self.object}".rstrip()
        fix = f"\n  fix: {self.fix}" if self.fix else ""
        return f"{self.severity}: {about}: {self.message}{fix}" + ("  (then restart the server)" if self.restart else "")


class CheckError(WalrowError):
    """The options do not work against the server; findings says all that is in the way, and how to mend it."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        first = next(finding for finding in findings if finding.severity == "error")
        super().__init__("\n".join(map(str, findings)), code=first.code)
