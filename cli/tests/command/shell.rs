//! Runs the binary as a shell would, in an environment without secrets.

use std::io::Write;
use std::process::{Command, Stdio};

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn success(stdout: &str) -> Self {
        Self { success: true, stdout: stdout.to_owned(), stderr: String::new() }
    }

    pub(crate) fn failure(stderr: &str) -> Self {
        Self { success: false, stdout: String::new(), stderr: stderr.to_owned() }
    }
}

/// A run being prepared.
pub(crate) struct Run(Command, String);

/// `farebox` with arguments.
pub(crate) fn farebox<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farebox"));
    command.args(arguments).env_clear();
    Run(command, String::new())
}

impl Run {
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.1 = text.to_owned();
        self
    }

    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.0.env(key, value);
        self
    }

    /// Runs in another folder.
    pub(crate) fn folder(mut self, path: &std::path::Path) -> Self {
        self.0.current_dir(path);
        self
    }

    pub(crate) fn run(mut self) -> Outcome {
        let command = self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A run that ends before it has read everything closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(self.1.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome { success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Writes a file for one test; its path.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
