//! Decides how a file is replaced: all at once, and only if it differs.
//!
//! Envoy looks for a file that is moved, not for one that is written to; and whoever reads at the wrong moment must not
//! see half of one. So a file is written beside the one that is there and moved into its place.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// What every file that is written here says of itself.
const MARK: &str = "`farebox render envoy";

/// A file that is to have a text.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// What it has now, if it is there.
    pub(super) before: Option<String>,
}

impl File {
    /// The file at `path`, which is to have `text`.
    ///
    /// # Errors
    /// If there is something that cannot be read or that someone else has written.
    pub(super) fn read(path: PathBuf, text: &str) -> Result<Self, String> {
        let text = format!("{text}\n");
        let before = match fs::read(&path) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(cause) if cause.kind() == ErrorKind::NotFound => None,
            Err(cause) => return Err(error(&path, "cannot be read", &cause)),
        };
        if before.as_ref().is_some_and(|before| !before.contains(MARK)) {
            return Err(format!(
                "{}: was not written by farebox; move it away, or name another folder",
                path.display()
            ));
        }
        Ok(Self { path, text, before })
    }

    pub(super) fn is_changed(&self) -> bool {
        self.before.as_ref() != Some(&self.text)
    }

    /// Replaces it, if it has to be.
    ///
    /// # Errors
    /// If that is not possible; then it is as it was.
    pub(super) fn write(&self) -> Result<(), String> {
        if !self.is_changed() {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = self.path.with_file_name(format!(".{name}.{}.new", std::process::id()));
        let moved = self.fill(&new).and_then(|()| fs::rename(&new, &self.path));
        moved.map_err(|cause| {
            let _ = fs::remove_file(&new);
            error(&self.path, "cannot be replaced", &cause)
        })
    }

    fn fill(&self, new: &Path) -> io::Result<()> {
        let mut file = fs::File::create_new(new)?;
        file.write_all(self.text.as_bytes())?;
        // Who may read it stays as somebody has decided.
        if let Ok(known) = fs::metadata(&self.path) {
            file.set_permissions(known.permissions())?;
            take_owner(new, &known);
        }
        file.sync_all()
    }
}

/// Gives the file the owner and the group of the one that it replaces, as far as this user may.
#[cfg(unix)]
fn take_owner(new: &Path, known: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, chown};
    let _ = chown(new, None, Some(known.gid()));
    let _ = chown(new, Some(known.uid()), None);
}

#[cfg(not(unix))]
fn take_owner(_: &Path, _: &fs::Metadata) {}

/// What is told of a file.
pub(super) fn error(path: &Path, what: &str, cause: &io::Error) -> String {
    format!("{}: {what}: {cause}", path.display())
}
