//! What a request is: where it goes, who sends it, what it asks for, and which targets may serve it.

pub mod resource;
pub mod identity;
pub mod attribution;
pub mod api;
pub mod context;
pub mod upstream;
pub mod llm_request;
pub mod usage_option;
pub mod signed_id;
pub mod cors;
pub mod credential_headers;
pub mod proof;
pub mod repeat;
pub mod route;
