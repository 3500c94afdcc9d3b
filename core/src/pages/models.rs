//! Decides how the models that a key may use are listed: in the form of the API whose client asks.
//!
//! A client reads only its own form: one that looks for `models` finds none under `data`, and shows an empty menu. OpenAI's
//! form is the one for everybody who is not known, so it has what other clients of the same path look for too: Mistral's
//! refuse an entry without `capabilities` and `type`.
//!
//! What nobody here can know (sizes, dates, lengths of contexts) is zero or absent. What a model can be asked for is
//! told by its name, roughly: it only sorts menus.

use super::push_optional;
use crate::base::text::push_json_string;
use crate::config::{Config, Key};
use crate::dialect::Dialect;
use crate::request::route::{RouteError, listed_models, may_ask_for};

/// When a model was made, which nobody here knows.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// The list of the models that `key` may use, in the form of `dialect`.
#[must_use]
pub fn models(config: &Config, key: &Key, dialect: Dialect) -> String {
    let names = listed_models(config, key);
    let entries: Vec<String> = names.iter().map(|name| entry(name, dialect)).collect();
    let entries = entries.join(",");
    match dialect {
        Dialect::Gemini | Dialect::Cohere | Dialect::Ollama => format!("{{\"models\":[{entries}]}}"),
        Dialect::OpenAi | Dialect::Anthropic | Dialect::Bedrock => {
            let mut body =
                format!("{{\"object\":\"list\",\"data\":[{entries}],\"has_more\":false,\"first_id\":");
            push_optional(&mut body, names.first().map(String::as_str));
            body.push_str(",\"last_id\":");
            push_optional(&mut body, names.last().map(String::as_str));
            body.push('}');
            body
        }
    }
}

/// The model `name` for `key`, in the form of `dialect`.
///
/// # Errors
/// [`RouteError`], if there is no such model or the key may not use it.
pub fn model(config: &Config, key: &Key, name: &str, dialect: Dialect) -> Result<String, RouteError> {
    may_ask_for(config, key, name)?;
    Ok(entry(name, dialect))
}

/// What Ollama's clients are shown of the model `name`.
///
/// # Errors
/// [`RouteError`], as for [`model`].
pub(super) fn show(config: &Config, key: &Key, name: &str) -> Result<String, RouteError> {
    may_ask_for(config, key, name)?;
    let capability = if Purpose::of(name) == Purpose::Embed { "embedding" } else { "completion" };
    Ok(format!(
        "{{\"modelfile\":\"\",\"parameters\":\"\",\"template\":\"\",\"modified_at\":\"{NEVER}\",\
         \"details\":{},\"model_info\":{{}},\"capabilities\":[\"{capability}\"]}}",
        details()
    ))
}

/// What a model is mostly asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Chat,
    Embed,
    Rerank,
}

impl Purpose {
    fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match () {
            () if name.contains("rerank") => Self::Rerank,
            () if name.contains("embed") => Self::Embed,
            () => Self::Chat,
        }
    }
}

fn entry(name: &str, dialect: Dialect) -> String {
    let mut id = String::new();
    push_json_string(&mut id, name);
    let purpose = Purpose::of(name);
    match dialect {
        Dialect::OpenAi | Dialect::Bedrock => {
            let (chat, rest) = (purpose == Purpose::Chat, "\"owned_by\":\"farebox\"");
            format!(
                "{{\"id\":{id},\"object\":\"model\",\"created\":0,{rest},\"type\":\"base\",\"display_name\":{id},\
                 \"created_at\":\"{NEVER}\",\"capabilities\":{{\"completion_chat\":{chat},\"function_calling\":{chat}}}}}"
            )
        }
        Dialect::Anthropic => {
            format!("{{\"type\":\"model\",\"id\":{id},\"display_name\":{id},\"created_at\":\"{NEVER}\"}}")
        }
        Dialect::Gemini => {
            let methods = match purpose {
                Purpose::Embed => "\"embedContent\",\"batchEmbedContents\"",
                Purpose::Chat | Purpose::Rerank => {
                    "\"generateContent\",\"streamGenerateContent\",\"countTokens\""
                }
            };
            let mut resource = String::new();
            push_json_string(&mut resource, &["models/", name].concat());
            format!(
                "{{\"name\":{resource},\"version\":\"\",\"displayName\":{id},\
                 \"supportedGenerationMethods\":[{methods}]}}"
            )
        }
        Dialect::Cohere => {
            let endpoint = match purpose {
                Purpose::Chat => "chat",
                Purpose::Embed => "embed",
                Purpose::Rerank => "rerank",
            };
            format!(
                "{{\"name\":{id},\"endpoints\":[\"{endpoint}\"],\"finetuned\":false,\"default_endpoints\":[]}}"
            )
        }
        Dialect::Ollama => format!(
            "{{\"name\":{id},\"model\":{id},\"modified_at\":\"{NEVER}\",\"size\":0,\"digest\":\"\",\"details\":{}}}",
            details()
        ),
    }
}

/// The members that Ollama's clients look for without asking whether they are there.
fn details() -> &'static str {
    "{\"parent_model\":\"\",\"format\":\"\",\"family\":\"\",\"families\":[],\"parameter_size\":\"\",\"quantization_level\":\"\"}"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing;
    use serde_json::{Value, json};

    fn page(dialect: Dialect) -> Value {
        let config = testing::config(|json| {
            json["models"] = json!({"small": [{"provider": "one"}], "my-embed": [{"provider": "one"}]});
        });
        serde_json::from_str(&models(&config, &config.keys["a"], dialect)).unwrap()
    }

    #[test]
    fn the_models_page_lists_what_this_key_may_use() {
        let config = testing::config(|json| json["keys"][0]["models"] = json!(["s*", "gone"]));
        let page: Value = serde_json::from_str(&models(&config, &config.keys["a"], Dialect::OpenAi)).unwrap();
        assert_eq!(page["data"].as_array().unwrap().len(), 1);
        assert_eq!((&page["data"][0]["id"], &page["first_id"]), (&json!("small"), &json!("small")));
    }

    #[test]
    fn openais_and_mistrals_clients_find_every_member_that_they_need() {
        let page = page(Dialect::OpenAi);
        assert_eq!(page["object"], "list");
        let embed = &page["data"][0];
        assert_eq!(embed["id"], "my-embed");
        assert_eq!(
            (&embed["object"], &embed["created"], &embed["owned_by"]),
            (&json!("model"), &json!(0), &json!("farebox"))
        );
        assert_eq!(
            (&embed["type"], &embed["capabilities"]["completion_chat"]),
            (&json!("base"), &json!(false))
        );
        assert_eq!(page["data"][1]["capabilities"]["completion_chat"], true);
    }

    #[test]
    fn anthropics_clients_find_a_page_of_models_that_is_the_last() {
        let page = page(Dialect::Anthropic);
        let small = json!({"type": "model", "id": "small", "display_name": "small", "created_at": NEVER});
        assert_eq!(page["data"][1], small);
        let around = json!([page["has_more"], page["first_id"], page["last_id"]]);
        assert_eq!(around, json!([false, "my-embed", "small"]));
    }

    #[test]
    fn googles_clients_find_resources_with_what_they_can_be_asked_for() {
        let models = &page(Dialect::Gemini)["models"];
        let embed = json!({"name": "models/my-embed", "version": "", "displayName": "my-embed",
            "supportedGenerationMethods": ["embedContent", "batchEmbedContents"]});
        assert_eq!(models[0], embed);
        assert_eq!(models[1]["supportedGenerationMethods"][1], "streamGenerateContent");
    }

    #[test]
    fn coheres_and_ollamas_clients_find_names() {
        let models = &page(Dialect::Cohere)["models"];
        assert_eq!((&models[0]["name"], &models[0]["endpoints"]), (&json!("my-embed"), &json!(["embed"])));
        assert_eq!(models[1]["endpoints"], json!(["chat"]));
        let models = &page(Dialect::Ollama)["models"];
        assert_eq!((&models[1]["name"], &models[1]["model"]), (&json!("small"), &json!("small")));
        assert!(models[1]["details"]["families"].is_array());
    }

    #[test]
    fn a_model_has_a_page_for_those_who_may_use_it() {
        let config = testing::config(|json| json["keys"][0]["models"] = json!(["s*", "gpt-*"]));
        let page = |name: &str, dialect: Dialect, member: &str| {
            model(&config, &config.keys["a"], name, dialect).map(|page| {
                serde_json::from_str::<Value>(&page).unwrap()[member].as_str().unwrap().to_owned()
            })
        };
        assert_eq!(page("small", Dialect::OpenAi, "id").as_deref(), Ok("small"));
        assert_eq!(page("gpt-5", Dialect::Gemini, "name").as_deref(), Ok("models/gpt-5"));
        assert!(matches!(page("big", Dialect::OpenAi, "id"), Err(RouteError::NotAllowed { .. })));
        assert!(matches!(page("../small", Dialect::OpenAi, "id"), Err(RouteError::Unknown { .. })));
        let shown: Value = serde_json::from_str(&show(&config, &config.keys["a"], "small").unwrap()).unwrap();
        assert_eq!((&shown["capabilities"], &shown["model_info"]), (&json!(["completion"]), &json!({})));
        assert!(show(&config, &config.keys["a"], "big").is_err());
    }
}
