//! Decides how a provider is authenticated to: by keys out of the environment, by Envoy, or not at all.
//!
//! A key comes from the environment of the filter, never from the document, so the document can be
//! reviewed, stored and logged. Nothing read from the environment gets into a message.
//!
//! Does not choose among the keys of a pool.

use super::cursor::Cursor;
use super::syntax::{BASE_PATH, ENV, ID, NAME};
use crate::config::{Credential, PoolKey, Secret, Signing};

/// Most keys of one provider.
const MAX_KEYS: usize = 16;
/// Most parts that a key or a target has of the requests.
pub(super) const MAX_WEIGHT: u64 = 100;

/// Bytes of a secret that nobody guesses.
const LEAST_SECRET_BYTES: usize = 16;

const WANTED: &str = r#"must be "envoy", a list like [{"env": "OPENAI_API_KEY"}] or an object like {"envoy": "aws", "region": "eu-west-1"}"#;

/// What Envoy can be told to make a credential with.
#[derive(Clone, Copy)]
enum Signer {
    Aws,
    Gcp,
    Azure,
    File,
}

/// A key that is configured.
enum Key {
    Set(PoolKey),
    /// Optional, and nobody set it.
    Unset(Box<str>),
}

/// Resolves the name of an environment variable.
pub(in crate::config) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The credential, and what Envoy makes it with.
pub(super) fn read(at: &Cursor<'_>, environment: Environment<'_>) -> Option<(Credential, Option<Signing>)> {
    if at.is_list() {
        return Some((read_pool(at, environment)?, None));
    }
    if at.is_object() {
        return Some((Credential::Envoy, Some(read_signing(at)?)));
    }
    if at.is_text() && at.text() == Some("envoy") {
        return Some((Credential::Envoy, None));
    }
    at.fail(WANTED);
    None
}

fn read_signing(at: &Cursor<'_>) -> Option<Signing> {
    let words =
        [("aws", Signer::Aws), ("gcp", Signer::Gcp), ("azure", Signer::Azure), ("file", Signer::File)];
    // Which keys are known depends on this one, so it is read before the others are judged.
    let signer = match at.member("envoy") {
        Some(signer) => signer.word(&words)?,
        None => {
            at.fail("\"envoy\" is missing");
            return None;
        }
    };
    match signer {
        Signer::Aws => {
            let region = at.fields(&["envoy", "region"])?.need("region")?;
            Some(Signing::Aws { region: region.text_as(ID)?.into() })
        }
        Signer::Gcp => at.fields(&["envoy"]).map(|_| Signing::Gcp),
        Signer::Azure => {
            let fields = at.fields(&["envoy", "tenant", "client_id"])?;
            let name = |key| fields.need(key).and_then(|at| at.text_as(NAME));
            let (tenant, client_id) = (name("tenant"), name("client_id"));
            Some(Signing::Azure { tenant: tenant?.into(), client_id: client_id?.into() })
        }
        Signer::File => {
            let path = at.fields(&["envoy", "path"])?.need("path")?;
            Some(Signing::File(path.text_as(BASE_PATH)?.into()))
        }
    }
}

fn read_pool(at: &Cursor<'_>, environment: Environment<'_>) -> Option<Credential> {
    let items = at.items()?;
    match items.len() {
        0 => at.fail("must have an entry; leave \"credentials\" out if the provider wants none"),
        1..=MAX_KEYS => {}
        _ => at.fail(format!("must have at most {MAX_KEYS} entries")),
    }
    let (mut names, mut keys, mut unset) = (Vec::new(), Vec::new(), Vec::new());
    let mut complete = true;
    for item in &items {
        let Some(key) = read_key(item, environment) else {
            complete = false;
            continue;
        };
        let name = match &key {
            Key::Set(key) => key.env.clone(),
            Key::Unset(env) => env.clone(),
        };
        if names.contains(&name) {
            item.fail("another entry has this variable already");
        }
        names.push(name);
        match key {
            Key::Set(key) => keys.push(key),
            Key::Unset(env) => unset.push(env),
        }
    }
    let pool = if keys.is_empty() {
        Credential::Missing(unset.join(", ").into())
    } else {
        Credential::Pool(keys.into())
    };
    complete.then_some(pool)
}

/// A secret of Farebox's own out of the environment.
pub(super) fn read_secret(at: &Cursor<'_>, environment: Environment<'_>) -> Option<(Box<str>, Secret)> {
    read_secret_of(at, LEAST_SECRET_BYTES, environment)
}

/// A secret out of the environment that has at least so many bytes.
pub(super) fn read_secret_of(
    at: &Cursor<'_>,
    least_bytes: usize,
    environment: Environment<'_>,
) -> Option<(Box<str>, Secret)> {
    let env = at.fields(&["env"])?.need("env")?;
    let name = env.text_as(ENV)?;
    let Some(value) = environment(name).filter(|value| !value.trim().is_empty()) else {
        not_set(&env, name);
        return None;
    };
    let secret = Secret::new(&value);
    if secret.expose().len() < least_bytes {
        env.fail(format!("the value of {} must have at least {least_bytes} bytes", described(name)));
        return None;
    }
    Some((name.into(), secret))
}

fn not_set(env: &Cursor<'_>, name: &str) {
    env.fail(format!(
        "{} is not set (Envoy hands on only what vm_config.environment_variables lists)",
        described(name)
    ));
}

/// A key out of the environment. An empty or blank value counts as not set.
fn read_key(at: &Cursor<'_>, environment: Environment<'_>) -> Option<Key> {
    let fields = at.fields(&["env", "optional", "weight", "file"])?;
    let optional = fields.get("optional").and_then(|at| at.flag()).unwrap_or(false);
    let weight = fields.get("weight").and_then(|at| at.count(1..=MAX_WEIGHT));
    if let Some(file) = fields.get("file") {
        file.fail(
            "Proxy-Wasm cannot read files; use \"credentials\": \"envoy\" with Envoy's credential_injector",
        );
        return None;
    }
    let env = fields.need("env")?;
    let name = env.text_as(ENV)?;
    let Some(value) = environment(name).filter(|value| !value.trim().is_empty()) else {
        if !optional {
            not_set(&env, name);
        }
        return optional.then(|| Key::Unset(name.into()));
    };
    let secret = Secret::new(&value);
    if !secret.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        env.fail(format!("the value of {} cannot stand in a header", described(name)));
        return None;
    }
    let weight = weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
    Some(Key::Set(PoolKey { env: name.into(), secret, weight }))
}

/// The name of a variable, if it looks like one: a secret that was put in its place may be made of the
/// same characters.
fn described(name: &str) -> &str {
    let usual = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.bytes().all(usual) { name } else { "this environment variable" }
}
