"""The times of the model, in ms: shorter than real ones, so that a case has many epochs."""

TICK, EPOCH, GRACE, RECALL, SLACK, FORGET, TAIL, CONFIRM = 250, 3000, 1000, 1250, 5000, 6, 600_000, 2500
# Who has room to spare and nothing to do speaks this often, and gives it back after that long.
IDLE, KEEP = 1000, 4000
