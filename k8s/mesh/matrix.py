"""Which of the core cases each folder has been through, and why some cannot be asked of some: a folder that has neither run a case nor
a reason is a mistake.
"""

COLUMNS = {
    "allowed": ["a_model_in_the_mesh_answers", "a_provider_outside_answers_by_tls", "two_megabytes_go_through"],
    "refused": ["who_may_not_is_refused_and_nobody_is_asked", "nobody_chooses_a_route"],
    "streamed": ["a_stream_comes_whole_and_is_charged"],
    "failed over": ["a_failure_goes_on_to_the_next_provider_with_that_ones_key"],
    "by token": ["a_caller_is_who_its_token_says"],
    "one ledger": ["two_pods_count_in_one_budget"],
    "pushed": ["is_pushed", "is_pushed_by_a_new_pod"],
    "bad one refused": ["is_refused", "is_refused_by_a_new_pod"],
    "module exchanged": ["module_is_exchanged", "module_is_exchanged_by_a_new_pod"],
    "module missing": ["module_is_missing_for_a_pod_that_runs", "module_is_missing_for_a_pod_that_starts"],
    "control plane away": ["control_plane_is_away_and_comes_back"],
    "drained": ["streams_end_though_the_pod_is_asked_to"],
    "log": ["each_request_has_its_line_in_the_log"],
    "statistics": ["statistics_are_there_by_their_names"],
}
WHY = {
    "k": "its callers have Farebox's keys",
    "t": "its callers have tokens; a ledger would change nothing of that",
    "m": "its counters are in each pod's memory",
    "h": "by headers alone nothing can be sent again",
    "p": "there is no control plane",
}


def reason(folder: str, column: str) -> str | None:
    """Why a folder need not run a case."""
    host, name = folder.split("/")
    by_headers = name in ("wasm-plugin", "traffic-extension", "sidecar-plugin", "extension-policy")
    if column == "failed over" and by_headers:
        return "h"
    if column == "by token" and name != "jwt":
        return "k"
    if column == "one ledger" and name != "ledger":
        return "t" if name == "jwt" else "m"
    if column == "control plane away" and host == "plain":
        return "p"
    return None


class Matrix:
    """What came of it."""

    def __init__(self):
        self.came: dict[tuple[str, str], bool] = {}

    def add(self, folder: str, case: str, holds: bool) -> None:
        """A case has been run."""
        for column, cases in COLUMNS.items():
            if case in cases:
                self.came[folder, column] = self.came.get((folder, column), True) and holds

    def missing(self, folder: str) -> list[str]:
        """What has neither been run nor need not be."""
        return [column for column in COLUMNS if (folder, column) not in self.came and not reason(folder, column)]

    def table(self, folders: list[str]) -> list[str]:
        """As Markdown."""
        lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
        for folder in folders:
            cells = []
            for column in COLUMNS:
                came = self.came.get((folder, column))
                cells.append({True: "✓", False: "**no**"}.get(came, reason(folder, column) or "?"))
            lines.append(f"| `{folder}` | {' | '.join(cells)} |")
        return [*lines, "", ", ".join(f"*{letter}*: {why}" for letter, why in WHY.items()) + "."]
