//! Decides what a caller is told whose request cannot be understood, or asks for what is not allowed.

use core::fmt;

use crate::base::text::Label;
use crate::json::SyntaxError;

/// Why a body cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LlmRequestError {
    /// There is none.
    Empty,
    /// Its length is not stated, and it is not read.
    NoLength,
    /// The header that names the model comes twice or names nothing.
    ModelHeader,
    /// It is not JSON.
    Syntax(SyntaxError),
    /// It is JSON, but not an object.
    NotAnObject,
    /// It is no form.
    NotAForm,
    /// This member comes twice.
    Duplicate(&'static str),
    /// This member is there in a spelling that some would read and others not.
    Misspelled(&'static str),
    /// The body names another model than the path.
    OtherModel,
    /// It names models besides its own, and nobody has allowed that.
    OtherModels,
    /// What embeds texts is asked for something else.
    NotEmbeddings,
    /// It wants several answers of a server that reports what one of them used.
    SeveralAnswers,
    /// It wants to be answered later, and nobody has allowed that.
    Background,
    /// This member could raise what a strict budget holds, and nobody knows how.
    MayRaise(Label),
    /// It goes on from what the provider keeps, and nobody has allowed that.
    StoredState,
    /// It goes on from what is kept by an account that does not serve its model.
    StoredElsewhere,
    /// Its model is named by a prompt that the provider keeps, and the key has a list of models.
    StoredPrompt,
    /// This member is not of this kind.
    WrongKind(&'static str, &'static str),
}

impl fmt::Display for LlmRequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("The request has no body."),
            Self::NoLength => f.write_str("The request must state its length (content-length)."),
            Self::ModelHeader => {
                f.write_str("The header that names the model must be there once and name one.")
            }
            Self::Syntax(error) => write!(f, "The request body {error}."),
            Self::NotAnObject => f.write_str("The request body must be a JSON object."),
            Self::NotAForm => f.write_str("The request body must be a complete multipart form."),
            Self::Duplicate(name) => write!(f, "The request body has '{name}' more than once."),
            Self::Misspelled(name) => {
                write!(f, "The request body has '{name}' in another spelling, which some servers would read.")
            }
            Self::OtherModels => f.write_str(
                "The request names other models besides its own, which this gateway does not allow.",
            ),
            Self::NotEmbeddings => f.write_str(
                "Of ':predict' this gateway serves embeddings of texts only: 'instances[].content', with 'title', \
                 'task_type', 'parameters.autoTruncate' and 'parameters.outputDimensionality'.",
            ),
            Self::SeveralAnswers => f.write_str("This model's server counts one answer only: ask for one."),
            Self::Background => f.write_str(
                "An answer that comes later ('background', 'deferred') is not allowed by this gateway.",
            ),
            Self::MayRaise(name) => {
                write!(
                    f,
                    "'{name}' is not known to this gateway and could cost more than a strict budget holds."
                )
            }
            Self::StoredState => f.write_str(
                "The request names what the provider has stored (an answer, a conversation, a file, a cache). Here several \
                 teams share the provider's account, so a team may go on only from what this gateway has given to it.",
            ),
            Self::StoredElsewhere => {
                f.write_str("What the request goes on from is not kept by a provider of this model.")
            }
            Self::StoredPrompt => f.write_str(
                "This key may use some models only, so a request with a stored prompt must name its model.",
            ),
            Self::OtherModel => f.write_str("The request body names another model than the path."),
            Self::WrongKind(name, kind) => write!(f, "'{name}' must be {kind}."),
        }
    }
}

impl core::error::Error for LlmRequestError {}
