//! Decides which provider of Farebox's a deployment of LiteLLM's is at, by the prefix of its model.

use serde_json::{Map, Value, json};

use super::{Draft, free, id, text};

/// A prefix, the preset that it stands for, and the variable that has the key if none is written.
const PREFIXES: [(&str, &str, &str); 23] = [
    ("openai", "openai", "OPENAI_API_KEY"),
    ("text-completion-openai", "openai", "OPENAI_API_KEY"),
    ("azure", "azure-openai", "AZURE_API_KEY"),
    ("anthropic", "anthropic", "ANTHROPIC_API_KEY"),
    ("gemini", "gemini-openai", "GEMINI_API_KEY"),
    ("vertex_ai", "vertex", ""),
    ("bedrock", "bedrock", ""),
    ("mistral", "mistral", "MISTRAL_API_KEY"),
    ("codestral", "mistral", "MISTRAL_API_KEY"),
    ("groq", "groq", "GROQ_API_KEY"),
    ("deepseek", "deepseek", "DEEPSEEK_API_KEY"),
    ("xai", "xai", "XAI_API_KEY"),
    ("cohere", "cohere-openai", "COHERE_API_KEY"),
    ("cohere_chat", "cohere-openai", "COHERE_API_KEY"),
    ("together_ai", "together", "TOGETHERAI_API_KEY"),
    ("fireworks_ai", "fireworks", "FIREWORKS_API_KEY"),
    ("openrouter", "openrouter", "OPENROUTER_API_KEY"),
    ("perplexity", "perplexity", "PERPLEXITYAI_API_KEY"),
    ("cerebras", "cerebras", "CEREBRAS_API_KEY"),
    ("ollama", "ollama", ""),
    ("ollama_chat", "ollama", ""),
    ("hosted_vllm", "vllm", ""),
    ("llamafile", "llamacpp", ""),
];

/// Where the operator's own machines answer, so that nothing is paid by the token.
const OWN: [&str; 3] = ["ollama", "vllm", "llamacpp"];

/// The provider and its name for the model; the parameters of a deployment stand at `path`. `None`: it has no
/// counterpart, which has been noted.
pub(super) fn of(draft: &mut Draft, params: &Value, path: &str) -> Option<(String, String)> {
    let Some(model) = text(params, "model") else {
        draft.note(path, "has no model");
        return None;
    };
    let (prefix, model) = split(model, params);
    let Some((_, preset, variable)) = PREFIXES.iter().find(|(known, ..)| *known == prefix) else {
        draft.note(
            &format!("{path}.model"),
            format_args!("there is no preset for {prefix}/: add a provider by hand"),
        );
        return None;
    };
    let base = text(params, "api_base").or_else(|| text(params, "base_url"));
    let mut provider = Map::new();
    let is_own = place(draft, &mut provider, preset, base, path)?;
    region(&mut provider, params, preset);
    if let Some(credentials) = credentials(draft, params, preset, variable, is_own, path) {
        provider.insert("credentials".to_owned(), credentials);
    }
    let host = base.filter(|_| is_own && *preset == "openai").map(|base| id(authority(base).1));
    let name = name(draft, provider, host.as_deref().unwrap_or(preset));
    if is_own {
        let any = format!("{name}/*");
        if !draft.prices.contains_key(&any) {
            draft.prices.insert(any, json!({"input": 0, "output": 0}));
            let what = "answers at a machine of your own: its price is zero, so budgets in USD do not see it";
            draft.note(&format!("{path}.api_base"), what);
        }
    }
    Some((name, model.to_owned()))
}

/// The prefix and the rest. What has none is OpenAI's, or Anthropic's by its name.
fn split<'a>(model: &'a str, params: &'a Value) -> (&'a str, &'a str) {
    if let Some(provider) = text(params, "custom_llm_provider") {
        return (provider, model.strip_prefix(&format!("{provider}/")).unwrap_or(model));
    }
    match model.split_once('/') {
        Some((prefix, rest)) if PREFIXES.iter().any(|(known, ..)| *known == prefix) => (prefix, rest),
        Some((prefix, rest)) if !prefix.contains('-') => (prefix, rest),
        _ if model.starts_with("claude") => ("anthropic", model),
        _ => ("openai", model),
    }
}

/// `scheme://authority` and the authority of a base, and the path after it.
fn authority(base: &str) -> (&str, &str, &str) {
    let start = base.find("://").map_or(0, |at| at + 3);
    let end = base.get(start..).and_then(|rest| rest.find('/')).map_or(base.len(), |at| start + at);
    let part = |from, to| base.get(from..to).unwrap_or_default();
    (part(0, end), part(start, end), part(end, base.len()).trim_end_matches('/'))
}

/// Says where it is; whether that is a machine of the operator's own.
fn place(
    draft: &mut Draft,
    provider: &mut Map<String, Value>,
    preset: &str,
    base: Option<&str>,
    path: &str,
) -> Option<bool> {
    let is_own = OWN.contains(&preset);
    let at = format!("{path}.api_base");
    // Where it is decides whom a key is sent to: no place is put in for one that is not known.
    if base.is_some_and(|base| base.starts_with("os.environ/")) {
        draft.note(&at, "is in the environment, and has to be in the configuration: this one is left out");
        return None;
    }
    let base = base.map(authority);
    match (preset, base) {
        ("openai", Some((endpoint, host, rest))) if host != "api.openai.com" => {
            provider.insert("dialect".to_owned(), json!("openai"));
            provider.insert("endpoints".to_owned(), json!([endpoint]));
            if rest != "/v1" {
                provider.insert("base_path".to_owned(), json!(if rest.is_empty() { "/" } else { rest }));
            }
            return Some(true);
        }
        (_, Some((endpoint, ..))) if is_own => {
            provider.insert("endpoints".to_owned(), json!([endpoint]));
        }
        ("ollama", None) => {
            provider.insert("endpoints".to_owned(), json!(["http://127.0.0.1:11434"]));
        }
        ("azure-openai", Some((_, host, _))) => {
            provider.insert("host".to_owned(), json!(host));
        }
        ("azure-openai" | "vllm" | "llamacpp", None) => {
            draft.note(&at, "is missing, and has to be in the configuration: this one is left out");
            return None;
        }
        ("openai" | "vertex" | "bedrock", _) | (_, None) => {}
        (_, Some(_)) => {
            draft.note(&at, format_args!("is left out: the preset {preset} has a host of its own"))
        }
    }
    provider.insert("preset".to_owned(), json!(preset));
    Some(is_own)
}

/// Says where a provider is that has a host for each region.
fn region(provider: &mut Map<String, Value>, params: &Value, preset: &str) {
    let written = |member| text(params, member).filter(|text| !text.starts_with("os.environ/"));
    match preset {
        "bedrock" => {
            let region = written("aws_region_name").unwrap_or("us-east-1");
            provider.insert("host".to_owned(), json!(format!("bedrock-runtime.{region}.amazonaws.com")));
        }
        "vertex" => {
            let location = written("vertex_location").unwrap_or("us-central1");
            provider.insert("host".to_owned(), json!(format!("{location}-aiplatform.googleapis.com")));
            provider.insert("location".to_owned(), json!(location));
            if let Some(project) = written("vertex_project") {
                provider.insert("project".to_owned(), json!(project));
            }
        }
        _ => {}
    }
}

fn credentials(
    draft: &mut Draft,
    params: &Value,
    preset: &str,
    variable: &str,
    is_own: bool,
    path: &str,
) -> Option<Value> {
    match preset {
        "bedrock" => {
            let region = text(params, "aws_region_name").filter(|region| !region.starts_with("os.environ/"));
            if region.is_none() {
                draft.note(
                    &format!("{path}.aws_region_name"),
                    "is missing or in the environment: us-east-1 was put in",
                );
            }
            draft.note(
                path,
                "Bedrock is asked in its own API here: callers use AWS's SDK, or the preset bedrock-openai",
            );
            return Some(json!({"envoy": "aws", "region": region.unwrap_or("us-east-1")}));
        }
        "vertex" => {
            draft.note(path, "Vertex is asked in its own API here: callers use Google's SDK");
            return Some(json!({"envoy": "gcp"}));
        }
        _ => {}
    }
    match text(params, "api_key") {
        Some(key) => Some(match key.strip_prefix("os.environ/") {
            Some(name) => json!([{"env": name}]),
            // Engines that want no key are given a word for one.
            None if is_own && key.len() < 16 => return None,
            None => {
                let name = if variable.is_empty() { "PROVIDER_API_KEY" } else { variable };
                draft.note(
                    &format!("{path}.api_key"),
                    format_args!("is a secret in clear: put it into the variable {name}"),
                );
                json!([{"env": name}])
            }
        }),
        None if is_own || variable.is_empty() => None,
        None => Some(json!([{"env": variable}])),
    }
}

/// The name under which the draft has this provider now; with what Google and AWS call the place.
fn name(draft: &mut Draft, provider: Map<String, Value>, wanted: &str) -> String {
    let provider = Value::Object(provider);
    if let Some((name, _)) = draft.providers.iter().find(|(_, known)| **known == provider) {
        return name.clone();
    }
    let name = free(wanted, |name| draft.providers.contains_key(name));
    draft.providers.insert(name.clone(), provider);
    name
}
