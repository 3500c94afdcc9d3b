//! The errors that are known, by what they say.
//!
//! Codes are compared whole. Words about a key, an account or a model count only where a message begins: further on
//! a message may repeat what the caller wrote, and a caller's words must not put anybody's key into cooldown. The first
//! row that fits decides, so what a request has caused comes before what its key has.
//!
//! Sources: the error pages of the providers' documentation, the lists of codes in their SDKs, and recorded answers.

use super::fault::Fault;
use super::said::Said;

/// A kind of error.
struct Row {
    /// Statuses that it comes with; none: any.
    status: &'static [u64],
    /// A code that it has; empty: any.
    code: &'static str,
    words: Words,
    fault: Fault,
}

/// What a message says.
enum Words {
    /// Anything.
    Any,
    /// It begins like this.
    Begin(&'static str),
    /// This is somewhere in it.
    Have(&'static str),
}

const fn code(code: &'static str, fault: Fault) -> Row {
    Row { status: &[], code, words: Words::Any, fault }
}

const fn begins(status: &'static [u64], words: &'static str, fault: Fault) -> Row {
    Row { status, code: "", words: Words::Begin(words), fault }
}

const fn has(status: &'static [u64], words: &'static str, fault: Fault) -> Row {
    Row { status, code: "", words: Words::Have(words), fault }
}

const fn both(code: &'static str, words: &'static str, fault: Fault) -> Row {
    Row { status: &[], code, words: Words::Begin(words), fault }
}

/// Whose fault an error with this status is that says this; `None` if it is not known.
pub(super) fn find(status: u64, said: &Said) -> Option<Fault> {
    let fits = |row: &&Row| {
        let words = |test: &dyn Fn(&str) -> bool| said.words.iter().any(|own| test(own));
        (row.status.is_empty() || row.status.contains(&status))
            && (row.code.is_empty() || said.codes.iter().any(|code| code == row.code))
            && match row.words {
                Words::Any => true,
                Words::Begin(begin) => words(&|own| own.starts_with(begin)),
                Words::Have(part) => words(&|own| own.contains(part)),
            }
    };
    let fault = TABLES.iter().flat_map(|table| table.iter()).find(fits)?.fault;
    // A model that another member names is the request's own.
    let other = said.param.as_deref().is_some_and(|param| param != "model");
    Some(if fault == Fault::Model && other { Fault::Request } else { fault })
}

const TABLES: &[&[Row]] = &[REQUEST, SIZE, KEY, ACCOUNT, MODEL, LOAD];

const REFUSED: &[u64] = &[401, 403];
const KEYS: &[u64] = &[400, 401, 403];
const NOT_THERE: &[u64] = &[400, 403, 404];
const UNPAID: &[u64] = &[400, 401, 402, 403, 412, 429];

/// What a request has caused, although it looks as if the key or the model had.
const REQUEST: &[Row] = &[
    // OpenAI: an organization or a project that the caller names; images and prompts that are not allowed.
    code("invalid_organization", Fault::Request),
    code("mismatched_organization", Fault::Request),
    code("invalid_project", Fault::Request),
    code("mismatched_project", Fault::Request),
    begins(REFUSED, "no such organization", Fault::Request),
    begins(REFUSED, "no such project", Fault::Request),
    begins(REFUSED, "openai-organization header", Fault::Request),
    begins(REFUSED, "openai-project header", Fault::Request),
    code("content_policy_violation", Fault::Request),
    code("moderation_blocked", Fault::Request),
    code("invalid_prompt", Fault::Request),
    begins(&[400, 404], "this is not a chat model", Fault::Request),
    has(&[400, 404], "not supported in the v1/", Fault::Request),
    // Azure.
    code("content_filter", Fault::Request),
    code("responsibleaipolicyviolation", Fault::Request),
    // OpenRouter: a prompt that was flagged, or a provider that the caller's own wishes exclude.
    code("flagged_input", Fault::Request),
    has(REFUSED, "requires moderation", Fault::Request),
    has(REFUSED, "was flagged", Fault::Request),
    // xAI.
    has(REFUSED, "content violates usage guidelines", Fault::Request),
    has(REFUSED, "safety_check_type", Fault::Request),
    // Others that filter prompts.
    has(REFUSED, "usage polic", Fault::Request),
    has(REFUSED, "content polic", Fault::Request),
    has(REFUSED, "content filter", Fault::Request),
    has(REFUSED, "content moderation", Fault::Request),
    has(REFUSED, "inappropriate content", Fault::Request),
    code("data_inspection_failed", Fault::Request),
    code("datainspectionfailed", Fault::Request),
    code("1301", Fault::Request),
    code("base_resp.1026", Fault::Request),
    code("base_resp.1027", Fault::Request),
    code("base_resp.2013", Fault::Request),
    // Files, caches and tools that are somebody else's. Google, Anthropic, Bedrock.
    has(REFUSED, "access the file", Fault::Request),
    has(REFUSED, "storage.objects", Fault::Request),
    has(REFUSED, "cloud storage", Fault::Request),
    has(REFUSED, "cachedcontent", Fault::Request),
    has(REFUSED, "cached content", Fault::Request),
    has(REFUSED, "tunedmodels/", Fault::Request),
    has(REFUSED, "vector store", Fault::Request),
    has(REFUSED, "vector_store", Fault::Request),
    has(REFUSED, "file_id", Fault::Request),
    has(REFUSED, "file id", Fault::Request),
    has(REFUSED, "this file", Fault::Request),
    has(REFUSED, "mcp server", Fault::Request),
    has(REFUSED, "guardrail", Fault::Request),
    has(REFUSED, "s3://", Fault::Request),
    has(REFUSED, "s3 uri", Fault::Request),
    has(REFUSED, "s3:getobject", Fault::Request),
    has(REFUSED, "container", Fault::Request),
];

/// What is too much at once.
const SIZE: &[Row] = &[
    begins(&[413, 429], "request too large for", Fault::Size),
    has(&[413, 429], "request too large for model", Fault::Size),
    begins(&[400, 429], "extra usage is required for long context", Fault::Size),
    begins(&[402], "this request requires more credits", Fault::Allowance),
    begins(&[402], "prompt tokens limit exceeded", Fault::Allowance),
];

/// What is about the key.
const KEY: &[Row] = &[
    // OpenAI and those who are compatible.
    code("invalid_api_key", Fault::Key),
    code("incorrect_api_key", Fault::Key),
    code("wrong_api_key", Fault::Key),
    code("invalidapikey", Fault::Key),
    code("invalid_authentication_error", Fault::Key),
    code("invalid_authentication", Fault::Key),
    code("token_expired", Fault::Key),
    code("token_revoked", Fault::Key),
    code("expired_api_key", Fault::Key),
    code("missing_api_key", Fault::Key),
    begins(KEYS, "incorrect api key", Fault::Key),
    begins(KEYS, "invalid api key", Fault::Key),
    begins(KEYS, "invalid api_key", Fault::Key),
    begins(KEYS, "invalid x-api-key", Fault::Key),
    begins(KEYS, "invalid api token", Fault::Key),
    begins(KEYS, "invalid bearer token", Fault::Key),
    begins(KEYS, "invalid authentication", Fault::Key),
    begins(KEYS, "the api key you provided", Fault::Key),
    begins(KEYS, "your api key", Fault::Key),
    begins(KEYS, "api key not valid", Fault::Key),
    begins(KEYS, "api key expired", Fault::Key),
    begins(KEYS, "api key is invalid", Fault::Key),
    begins(KEYS, "you didn't provide an api key", Fault::Key),
    begins(KEYS, "no api key", Fault::Key),
    begins(KEYS, "authentication fails", Fault::Key),
    begins(&[401], "access denied due to invalid subscription key", Fault::Key),
    begins(&[401], "no auth credentials found", Fault::Key),
    begins(&[401], "no cookie auth credentials found", Fault::Key),
    begins(&[401], "user not found", Fault::Key),
    // Anthropic.
    Row { status: &[401], code: "authentication_error", words: Words::Any, fault: Fault::Key },
    // Google.
    code("api_key_invalid", Fault::Key),
    code("api_key_expired", Fault::Key),
    code("api_key_service_blocked", Fault::Key),
    code("api_key_ip_address_blocked", Fault::Key),
    code("api_key_http_referrer_blocked", Fault::Key),
    code("access_token_expired", Fault::Key),
    code("access_token_type_unsupported", Fault::Key),
    code("credentials_missing", Fault::Key),
    code("unauthenticated", Fault::Key),
    code("service_disabled", Fault::Key),
    // Amazon.
    code("unrecognizedclientexception", Fault::Key),
    code("invalidclienttokenid", Fault::Key),
    code("invalidsignatureexception", Fault::Key),
    code("signaturedoesnotmatch", Fault::Key),
    code("incompletesignature", Fault::Key),
    code("incompletesignatureexception", Fault::Key),
    code("expiredtoken", Fault::Key),
    code("expiredtokenexception", Fault::Key),
    code("missingauthenticationtoken", Fault::Key),
    code("missingauthenticationtokenexception", Fault::Key),
    // Zhipu, MiniMax.
    Row { status: &[401], code: "1000", words: Words::Any, fault: Fault::Key },
    Row { status: &[401], code: "1001", words: Words::Any, fault: Fault::Key },
    Row { status: &[401], code: "1002", words: Words::Any, fault: Fault::Key },
    Row { status: &[401], code: "1003", words: Words::Any, fault: Fault::Key },
    code("base_resp.1004", Fault::Key),
    code("base_resp.2049", Fault::Key),
];

/// What is about the account.
const ACCOUNT: &[Row] = &[
    // Google says the same words of every limit.
    Row { status: &[429], code: "resource_exhausted", words: Words::Any, fault: Fault::Load },
    // OpenAI and those who are compatible.
    code("insufficient_quota", Fault::Account),
    code("billing_not_active", Fault::Account),
    code("billing_hard_limit_reached", Fault::Account),
    code("account_deactivated", Fault::Account),
    code("account_suspended", Fault::Account),
    code("access_terminated", Fault::Account),
    code("unsupported_country_region_territory", Fault::Account),
    code("insufficient_balance", Fault::Account),
    code("insufficient_credits", Fault::Account),
    code("insufficient_funds", Fault::Account),
    code("exceeded_current_quota_error", Fault::Account),
    code("payment_required", Fault::Account),
    code("arrearage", Fault::Account),
    begins(UNPAID, "you exceeded your current quota", Fault::Account),
    begins(UNPAID, "your account is not active", Fault::Account),
    begins(UNPAID, "your account has been", Fault::Account),
    begins(UNPAID, "your account is", Fault::Account),
    begins(UNPAID, "your account has insufficient", Fault::Account),
    begins(UNPAID, "insufficient balance", Fault::Account),
    begins(UNPAID, "insufficient credits", Fault::Account),
    begins(UNPAID, "insufficient funds", Fault::Account),
    begins(UNPAID, "insufficient quota", Fault::Account),
    begins(UNPAID, "credit limit exceeded", Fault::Account),
    begins(UNPAID, "key limit exceeded", Fault::Account),
    begins(UNPAID, "billing hard limit", Fault::Account),
    begins(UNPAID, "monthly spending limit", Fault::Account),
    begins(UNPAID, "you have exceeded your monthly", Fault::Account),
    begins(UNPAID, "you have run out of credits", Fault::Account),
    begins(UNPAID, "you have insufficient", Fault::Account),
    // Fireworks.
    has(&[412], "suspended", Fault::Account),
    // xAI.
    begins(UNPAID, "your newly created team", Fault::Account),
    begins(UNPAID, "your team ", Fault::Account),
    // Anthropic.
    code("billing_error", Fault::Account),
    code("enforced_spend_limit_reached", Fault::Account),
    begins(UNPAID, "your credit balance is too low", Fault::Account),
    begins(UNPAID, "you have reached your specified", Fault::Account),
    begins(UNPAID, "you have reached your api usage limits", Fault::Account),
    begins(UNPAID, "this organization has been disabled", Fault::Account),
    // Google, Amazon.
    code("billing_disabled", Fault::Account),
    code("consumer_suspended", Fault::Account),
    code("account_state_invalid", Fault::Account),
    code("optinrequired", Fault::Account),
    // Zhipu, MiniMax.
    code("1113", Fault::Account),
    code("base_resp.1008", Fault::Account),
];

/// What is about the model.
const MODEL: &[Row] = &[
    // OpenAI and those who are compatible.
    code("model_not_found", Fault::Model),
    code("deploymentnotfound", Fault::Model),
    code("model_not_available", Fault::Model),
    code("model_not_active", Fault::Model),
    code("model_not_supported", Fault::Model),
    code("model_decommissioned", Fault::Model),
    code("model_deprecated", Fault::Model),
    code("model_terms_required", Fault::Model),
    code("model_permission_blocked_org", Fault::Model),
    code("model_permission_blocked_project", Fault::Model),
    code("modelnotfound", Fault::Model),
    code("unknown_model", Fault::Model),
    code("unavailable_model", Fault::Model),
    code("invalid_model", Fault::Model),
    code("model.accessdenied", Fault::Model),
    code("1211", Fault::Model),
    begins(NOT_THERE, "the model ", Fault::Model),
    begins(&[404], "model ", Fault::Model),
    begins(NOT_THERE, "model not exist", Fault::Model),
    begins(NOT_THERE, "model not found", Fault::Model),
    begins(NOT_THERE, "no endpoints found for ", Fault::Model),
    has(&[400], " is not a valid model id", Fault::Model),
    // To be verified is a matter of streams and reasoning too: the model does not go into cooldown for it.
    begins(NOT_THERE, "your organization must be verified", Fault::Size),
    begins(REFUSED, "your organization does not have access to", Fault::Model),
    // Anthropic.
    both("not_found_error", "model:", Fault::Model),
    // Google.
    both("not_found", "models/", Fault::Model),
    both("not_found", "publisher model", Fault::Model),
    both("permission_denied", "permission 'aiplatform.endpoints.predict' denied", Fault::Model),
    // Amazon.
    both("resourcenotfoundexception", "could not resolve the foundation model", Fault::Model),
    both("resourcenotfoundexception", "this model version has reached", Fault::Model),
    both("resourcenotfoundexception", "model ", Fault::Model),
    both("validationexception", "the provided model identifier is invalid", Fault::Model),
    both("validationexception", "invocation of model id", Fault::Model),
    both("accessdeniedexception", "you don't have access to the model", Fault::Model),
];

/// What is too much for the provider.
const LOAD: &[Row] = &[
    code("throttlingexception", Fault::Load),
    code("servicequotaexceededexception", Fault::Load),
    code("modelnotreadyexception", Fault::Load),
    code("overloaded_error", Fault::Load),
    code("base_resp.1002", Fault::Load),
    code("base_resp.1039", Fault::Load),
    code("base_resp.1041", Fault::Load),
];
