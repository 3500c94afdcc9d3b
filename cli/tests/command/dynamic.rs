//! `farebox render envoy --dynamic`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::shell::{Outcome, farebox};
use serde_json::Value;

const FILES: [&str; 3] = ["cds.yaml", "lds.yaml", "envoy.yaml"];

/// A folder that is not there yet.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dynamic").join(name);
    let _ = fs::remove_dir_all(&path);
    path
}

fn plugin(providers: &str, budget: u64) -> String {
    format!(
        r#"{{"version": "v1", "keys": [], "models": {{}}, "providers": {{{providers}}},
            "budgets": [{{"name": "org", "window": "month", "limit_usd": {budget}}}]}}"#
    )
}

fn render(folder: &Path, json: &str, options: &[&str]) -> Outcome {
    let arguments = ["render", "envoy", "-", "--dynamic", folder.to_str().unwrap()];
    farebox(arguments.into_iter().chain(options.iter().copied())).stdin(json).run()
}

fn text(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

fn parsed(folder: &Path, file: &str) -> Value {
    serde_saphyr::from_str(&text(folder, file)).unwrap()
}

/// What tells a file that was replaced from one that was not.
fn inodes(folder: &Path) -> [u64; 3] {
    FILES.map(|file| fs::metadata(folder.join(file)).unwrap().ino())
}

const OPENAI: &str = r#""openai": {"preset": "openai", "credentials": [{"env": "OPENAI_API_KEY"}]}"#;
const GROQ: &str = r#""groq": {"preset": "groq", "credentials": [{"env": "GROQ_API_KEY"}]}"#;

#[test]
fn the_files_together_say_what_one_file_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let samples = fs::read_dir(root.join("envoy/samples")).unwrap().map(|entry| entry.unwrap().path());
    let samples = samples.filter(|file| file.extension().is_some_and(|kind| kind == "json"));
    let samples: Vec<PathBuf> = samples.chain([root.join("envoy/farebox.json")]).collect();
    let versions = ["1.36", "1.38", "1.40"];
    for (sample, version) in samples.iter().flat_map(|sample| versions.map(|version| (sample, version))) {
        let (folder, sample) = (folder("together"), sample.to_str().unwrap());
        let arguments = ["render", "envoy", sample, "--metrics", "127.0.0.1:9", "--envoy", version];
        let dynamic = arguments.into_iter().chain(["--dynamic", folder.to_str().unwrap()]);
        let (dynamic, one) = (farebox(dynamic).run(), farebox(arguments).run());
        assert!(dynamic.success && dynamic.stderr == one.stderr, "{dynamic:?}");
        let mut one: Value = serde_saphyr::from_str(&one.stdout).unwrap();
        let mut bootstrap = parsed(&folder, "envoy.yaml");
        for (file, member, kind) in [
            ("lds.yaml", "listeners", "type.googleapis.com/envoy.config.listener.v3.Listener"),
            ("cds.yaml", "clusters", "type.googleapis.com/envoy.config.cluster.v3.Cluster"),
        ] {
            let mut resources = parsed(&folder, file)["resources"].take();
            for resource in resources.as_array_mut().unwrap() {
                assert_eq!(resource.as_object_mut().unwrap().remove("@type").unwrap(), kind);
            }
            assert_eq!(one["static_resources"][member].take(), resources, "{sample}, {version}, {file}");
            one["static_resources"].as_object_mut().unwrap().remove(member);
            let text = text(&folder, file);
            assert!(
                farebox(["check", folder.join(file).to_str().unwrap()]).run().success || file == "cds.yaml"
            );
            assert!(text.contains("`farebox render envoy --dynamic"), "{text}");
        }
        let members = bootstrap.as_object_mut().unwrap();
        let sources = members.remove("dynamic_resources").unwrap();
        for (kind, file) in [("cds_config", "cds.yaml"), ("lds_config", "lds.yaml")] {
            let source = &sources[kind]["path_config_source"];
            assert_eq!(source["path"], folder.join(file).to_str().unwrap());
            assert_eq!(source["watched_directory"]["path"], folder.to_str().unwrap());
        }
        let head = text(&folder, "envoy.yaml");
        assert!(
            head.contains("--mode validate` does not read the files") && !head.contains("checks all of it")
        );
        assert!(head.contains(&format!("envoy -c {}", folder.join("envoy.yaml").display())), "{head}");
        assert!(members["node"]["id"].is_string(), "without a name Envoy discovers nothing");
        let one = one.as_object_mut().unwrap();
        one.insert("node".to_owned(), members["node"].clone());
        one.retain(|_, member| member.as_object().is_none_or(|member| !member.is_empty()));
        assert_eq!(*one, *members, "{sample}");
    }
}

#[test]
fn only_what_is_different_is_replaced() {
    let folder = folder("different");
    let first = render(&folder, &plugin(OPENAI, 1), &[]);
    assert_eq!(first.stdout.lines().filter(|line| line.ends_with(": written")).count(), 3, "{first:?}");
    let before = inodes(&folder);
    let again = render(&folder, &plugin(OPENAI, 1), &[]);
    assert_eq!(again.stdout.lines().filter(|line| line.ends_with(": as it was")).count(), 3, "{again:?}");
    assert_eq!(inodes(&folder), before);
    let raised = render(&folder, &plugin(OPENAI, 2), &[]);
    assert!(raised.success && raised.stderr.is_empty(), "{raised:?}");
    let after = inodes(&folder);
    assert!(before[0] == after[0] && before[1] != after[1] && before[2] == after[2], "{raised:?}");
    assert!(text(&folder, "lds.yaml").contains(r#""limit_usd": 2"#));
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 3, "nothing is left beside them");
}

#[test]
fn a_configuration_that_is_refused_leaves_the_files_alone() {
    let folder = folder("refused");
    assert!(render(&folder, &plugin(OPENAI, 1), &[]).success);
    let before = FILES.map(|file| text(&folder, file));
    for broken in [plugin(OPENAI, 1).replace("budgets", "budget"), plugin(r#""a": {"preset": "vllm"}"#, 1)] {
        let (outcome, check) = (render(&folder, &broken, &[]), farebox(["check", "-"]).stdin(&broken).run());
        assert!(!outcome.success && outcome.stdout.is_empty(), "{outcome:?}");
        assert!(check.success || check.stderr == outcome.stderr, "{outcome:?}");
    }
    assert_eq!(FILES.map(|file| text(&folder, file)), before);
}

#[test]
fn files_of_others_are_left_alone() {
    let folder = folder("others");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("rds.yaml"), "resources: []\n").unwrap();
    assert!(render(&folder, &plugin(OPENAI, 1), &[]).success);
    assert_eq!(text(&folder, "rds.yaml"), "resources: []\n");
    fs::write(folder.join("lds.yaml"), "resources: []\n").unwrap();
    let before = inodes(&folder);
    let outcome = render(&folder, &plugin(&format!("{OPENAI}, {GROQ}"), 2), &[]);
    let path = folder.join("lds.yaml");
    let expected =
        format!("{}: was not written by farebox; move it away, or name another folder\n", path.display());
    assert_eq!(outcome, Outcome::failure(&expected));
    assert_eq!(inodes(&folder), before, "none of them is replaced if one cannot be");
}

#[test]
fn who_may_read_a_file_stays() {
    let folder = folder("rights");
    assert!(render(&folder, &plugin(OPENAI, 1), &[]).success);
    let path = folder.join("lds.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(render(&folder, &plugin(OPENAI, 2), &[]).success);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn what_waits_for_a_restart_is_said() {
    let folder = folder("restart");
    assert!(render(&folder, &plugin(OPENAI, 1), &[]).success);
    let admin = render(&folder, &plugin(OPENAI, 1), &["--admin", "127.0.0.1:9999"]);
    assert!(
        admin.success && admin.stderr.contains("envoy.yaml: ") && admin.stderr.contains(" admin "),
        "{admin:?}"
    );
    assert!(!admin.stderr.contains("overload_manager"), "{admin:?}");
    assert!(admin.stderr.contains("its own counters begin at zero"), "{admin:?}");
    let heap = render(
        &folder,
        &plugin(OPENAI, 1),
        &["--admin", "127.0.0.1:9999", "--max-heap-size-bytes", "3000000000"],
    );
    assert!(heap.stderr.contains(" overload_manager "), "{heap:?}");
    let azure = r#""azure": {"preset": "azure", "host": "a", "credentials": {"envoy": "azure", "tenant": "t", "client_id": "1"}}"#;
    let secret = render(&folder, &plugin(azure, 1), &[]);
    assert!(secret.stderr.contains("static_resources"), "{secret:?}");
    // Counters that the fleet shares are not in Envoy.
    let shared = format!("{OPENAI}}}, \"ledger\": {{\"endpoints\": [\"redis://a\"]");
    let shared = render(&folder, &plugin(&shared, 1), &["--admin", "127.0.0.1:9998"]);
    assert!(shared.success && shared.stderr.contains("that waits for a restart\n"), "{shared:?}");
    assert!(text(&folder, "cds.yaml").contains("TcpConnectionPoolProto"));
}

#[test]
fn a_variable_that_is_new_is_said() {
    let folder = folder("variables");
    let first = render(&folder, &plugin(OPENAI, 1), &[]);
    assert!(first.stderr.is_empty(), "{first:?}");
    let more = render(&folder, &plugin(&format!("{OPENAI}, {GROQ}"), 1), &[]);
    assert!(more.stderr.contains("GROQ_API_KEY") && !more.stderr.contains("OPENAI_API_KEY"), "{more:?}");
    let fewer = render(&folder, &plugin(GROQ, 1), &[]);
    assert!(fewer.success && fewer.stderr.is_empty(), "{fewer:?}");
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let file = folder("file");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "").unwrap();
    let outcome = render(&file, &plugin(OPENAI, 1), &[]);
    assert!(!outcome.success && outcome.stderr.starts_with(file.to_str().unwrap()), "{outcome:?}");
    fs::remove_file(&file).unwrap();
}

#[test]
fn a_cluster_that_is_not_needed_stays_for_one_change_of_the_listeners() {
    let folder = folder("retired");
    let names = || -> Vec<String> {
        let clusters = parsed(&folder, "cds.yaml")["resources"].take();
        let clusters = clusters.as_array().unwrap().iter();
        clusters.map(|cluster| cluster["name"].as_str().unwrap().to_owned()).collect()
    };
    let (both, one) = (plugin(&format!("{OPENAI}, {GROQ}"), 1), |budget| plugin(GROQ, budget));
    assert!(render(&folder, &both, &[]).success);
    let openai = parsed(&folder, "cds.yaml")["resources"][0].take();
    assert!(render(&folder, &one(1), &[]).success);
    assert_eq!(names(), ["groq", "openai"], "the listener from before may still send requests there");
    assert_eq!(parsed(&folder, "cds.yaml")["resources"][1].take(), openai);
    assert!(render(&folder, &one(1), &[]).success);
    assert_eq!(names(), ["groq"]);
    // Changes that follow each other at once do not pile clusters up; and what comes back is as it was.
    assert!(render(&folder, &both, &[]).success && render(&folder, &one(1), &[]).success);
    assert!(render(&folder, &one(2), &[]).success);
    assert_eq!(names(), ["groq"]);
    assert!(render(&folder, &both, &[]).success && render(&folder, &one(2), &[]).success);
    assert!(render(&folder, &both, &[]).success);
    assert_eq!(names(), ["openai", "groq"]);
}
