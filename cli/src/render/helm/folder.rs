//! Decides what becomes of a folder that a chart is written into: it is the chart's, whole, or it is left alone.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// What a chart that was written here says of itself, in its `Chart.yaml`.
const MARK: &str = "farebox render helm";
/// What a chart may have from before and not have any more.
const TEMPLATES: [&str; 4] = ["plain-configuration", "plain", "istio-gateway", "envoy-gateway"];

/// A file of a chart.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    text: String,
}

impl File {
    pub(super) fn new(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text }
    }
}

/// Makes `folder` the chart of `files`, and says so.
///
/// # Errors
/// If the folder is somebody else's, or cannot be written to.
pub(super) fn write(folder: &Path, files: Vec<File>) -> Result<String, String> {
    let fail = |path: &Path, what: &str| format!("{}: {what}", path.display());
    let mark = folder.join("Chart.yaml");
    let is_ours = fs::read_to_string(&mark).is_ok_and(|text| text.contains(MARK));
    let is_free = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(cause) => cause.kind() == ErrorKind::NotFound,
    };
    if !is_ours && !is_free {
        return Err(fail(folder, "has something that farebox did not write; name another folder"));
    }
    let io = |path: &Path, cause: &std::io::Error| fail(path, &format!("cannot be written: {cause}"));
    let templates = folder.join("templates");
    fs::create_dir_all(&templates).map_err(|cause| io(&templates, &cause))?;
    for name in TEMPLATES.map(|name| format!("templates/{name}.yaml")) {
        if !files.iter().any(|file| file.name == name) {
            let _ = fs::remove_file(folder.join(name));
        }
    }
    for file in &files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text).map_err(|cause| io(&path, &cause))?;
    }
    let path = folder.display();
    Ok(format!(
        "{path}: {} files\ninstall with: helm install farebox {path} --namespace farebox --create-namespace",
        files.len()
    ))
}
