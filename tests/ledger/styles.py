"""The styles of cases, and the mutations that one of them must catch."""

STYLES: dict[str, dict] = {
    "calm": {},
    "storm": dict(storm=True, rate=200, seconds=8, envoys=4, workers=2),
    "lossy": dict(lossy=True, faults=True),
    "late": dict(lossy=True, delay=True, faults=True),
    "excess": dict(lossy=True, delay=True, excess=True),
    "windows": dict(lossy=True, windows=True, skew=True),
    "limits": dict(lossy=True, limits=True),
    "crash": dict(lossy=True, crash=True, skew=True),
    "forgive": dict(forgive=True, lossy=True),
    "slots": dict(forgive=True, lossy=True, delay=True, slots=True, long=1),
    "stop": dict(server="stop", lossy=True),
    "storm late": dict(storm=True, rate=100, seconds=8, envoys=4, lossy=True, delay=True, faults=True),
    "crash forgive": dict(lossy=True, crash=True, forgive=True, faults=True),
    "stop forgive": dict(server="stop", forgive=True, long=1),
    "flush": dict(server="flush"),
    "failover": dict(server="failover"),
    "backup": dict(server="backup", windows=True),
    "flush crash": dict(server="flush", crash=True, envoys=4),
    "failover lossy": dict(server="failover", lossy=True, skew=True, windows=True),
}
# Each must be noticed in one of these styles, or by a directed case.
MUTATIONS = {
    "no_sequence": ["late", "excess"],  # repeated and overtaken pushes are applied
    "additive": ["calm", "lossy"],  # a push is an increment, not a sum by maximum
    "seed_adds": ["flush", "backup"],  # seeds are added up
    "no_grace": ["flush", "failover"],  # grants while those who hold something have not come yet
    "no_check": ["directed"],  # who has nothing to say does not come after a loss
    "same_id": ["crash", "lossy"],  # an instance id is used again after a restart
    "forget_b": ["calm", "late"],  # allotments of the epoch before are not reserved
    "leak": ["calm"],  # an allotment is added to the one before
    "wall_epochs": ["directed"],  # time without anybody asking makes everybody silent
    "no_floor": ["directed"],  # what is given back is used while nobody knows whether it is gone
}
# Those that are made in the script too.
IN_THE_SCRIPT = ("no_sequence", "seed_adds")
