//! Decides what can be asked of a model, and how each such request and its answer are read.

use super::Dialect;

/// What a request asks a model to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// OpenAI's chat completions.
    ChatCompletions,
    /// OpenAI's completions of a text.
    Completions,
    /// OpenAI's embeddings.
    Embeddings,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's Responses, made shorter: an answer that stands for a conversation.
    CompactResponse,
    /// OpenAI's count of what a response would read, which is free.
    CountInput,
    /// OpenAI's images, made from a text.
    Images,
    /// OpenAI's images, made from images.
    ImageEdits,
    /// OpenAI's transcriptions and translations of audio.
    Transcriptions,
    /// OpenAI's speech.
    Speech,
    /// OpenAI's moderations, which are free there and sold elsewhere.
    Moderations,
    /// Jina's and Voyage's rerank.
    Rerank,
    /// Anthropic's Messages.
    Messages,
    /// Anthropic's count of a prompt, which is free.
    CountTokens,
    /// Anthropic's models on Vertex.
    RawPredict,
    /// The same, streamed.
    StreamRawPredict,
    /// Gemini's answers.
    GenerateContent,
    /// The same, streamed.
    StreamGenerateContent,
    /// Gemini's embeddings.
    EmbedContent,
    /// Embeddings of Google's models on Vertex.
    Predict,
    /// Gemini's count of a prompt, which is free.
    CountContent,
    /// Bedrock's Converse.
    Converse,
    /// The same, streamed.
    ConverseStream,
    /// Bedrock's call of a model in its own form.
    InvokeModel,
    /// The same, streamed.
    InvokeModelStream,
    /// Cohere's chat.
    CohereChat,
    /// Cohere's embeddings.
    CohereEmbed,
    /// Cohere's rerank.
    CohereRerank,
    /// Ollama's chat.
    OllamaChat,
    /// Ollama's completion of a text.
    OllamaGenerate,
    /// Ollama's embeddings.
    OllamaEmbed,
    /// A path that only the configuration lets through, read as OpenAI's.
    Configured,
}

/// How a request says what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// A JSON object.
    Json,
    /// The parts of a form.
    Multipart,
}

/// Whether an answer is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streams {
    /// If `stream` is true.
    IfAsked,
    /// Unless `stream` is false.
    UnlessDeclined,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Endpoint {
    /// What few models can do, and is asked of a model that the body names: each may have a default of its own.
    pub const OWN_DEFAULT: [Self; 9] = [
        Self::Embeddings,
        Self::Images,
        Self::ImageEdits,
        Self::Transcriptions,
        Self::Speech,
        Self::Rerank,
        Self::CohereEmbed,
        Self::CohereRerank,
        Self::OllamaEmbed,
    ];

    /// What the record calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::CompactResponse => "responses_compact",
            Self::CountInput => "responses_input_tokens",
            Self::Images => "images",
            Self::ImageEdits => "image_edits",
            Self::Transcriptions => "transcriptions",
            Self::Speech => "speech",
            Self::Moderations => "moderations",
            Self::Rerank => "rerank",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::RawPredict => "raw_predict",
            Self::StreamRawPredict => "stream_raw_predict",
            Self::GenerateContent => "generate_content",
            Self::StreamGenerateContent => "stream_generate_content",
            Self::EmbedContent => "embed_content",
            Self::Predict => "predict",
            Self::CountContent => "count_content",
            Self::Converse => "converse",
            Self::ConverseStream => "converse_stream",
            Self::InvokeModel => "invoke_model",
            Self::InvokeModelStream => "invoke_model_stream",
            Self::CohereChat => "cohere_chat",
            Self::CohereEmbed => "cohere_embed",
            Self::CohereRerank => "cohere_rerank",
            Self::OllamaChat => "ollama_chat",
            Self::OllamaGenerate => "ollama_generate",
            Self::OllamaEmbed => "ollama_embed",
            Self::Configured => "configured",
        }
    }

    /// Whose form its errors have.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens | Self::RawPredict | Self::StreamRawPredict => {
                Dialect::Anthropic
            }
            Self::GenerateContent
            | Self::StreamGenerateContent
            | Self::EmbedContent
            | Self::Predict
            | Self::CountContent => Dialect::Gemini,
            Self::Converse | Self::ConverseStream | Self::InvokeModel | Self::InvokeModelStream => {
                Dialect::Bedrock
            }
            Self::CohereChat | Self::CohereEmbed | Self::CohereRerank => Dialect::Cohere,
            Self::OllamaChat | Self::OllamaGenerate | Self::OllamaEmbed => Dialect::Ollama,
            _ => Dialect::OpenAi,
        }
    }

    /// How a request is read.
    #[must_use]
    pub fn body(self) -> BodyForm {
        match self {
            Self::ImageEdits | Self::Transcriptions => BodyForm::Multipart,
            _ => BodyForm::Json,
        }
    }

    /// Whether its answer is a stream.
    #[must_use]
    pub fn streams(self) -> Streams {
        match self {
            Self::StreamRawPredict
            | Self::StreamGenerateContent
            | Self::ConverseStream
            | Self::InvokeModelStream => Streams::Always,
            Self::CompactResponse
            | Self::CountInput
            | Self::GenerateContent
            | Self::Predict
            | Self::Converse
            | Self::InvokeModel
            | Self::RawPredict => Streams::Never,
            Self::OllamaChat | Self::OllamaGenerate => Streams::UnlessDeclined,
            _ => Streams::IfAsked,
        }
    }

    /// Whether a provider may charge for it.
    #[must_use]
    pub fn is_charged(self) -> bool {
        !matches!(self, Self::CountTokens | Self::CountContent | Self::CountInput)
    }

    /// Whether a complete answer has output tokens.
    #[must_use]
    pub fn generates(self) -> bool {
        self.is_charged()
            && !matches!(
                self,
                Self::Embeddings
                    | Self::Moderations
                    | Self::EmbedContent
                    | Self::Predict
                    | Self::CohereEmbed
                    | Self::OllamaEmbed
                    | Self::Rerank
                    | Self::CohereRerank
            )
    }

    /// Whether a model answers it with text, so that any other that does could serve it too: a default, or a cheaper one.
    #[must_use]
    pub fn makes_text(self) -> bool {
        !matches!(
            self,
            Self::Embeddings
                | Self::Images
                | Self::ImageEdits
                | Self::Transcriptions
                | Self::Speech
                | Self::Moderations
                | Self::Rerank
                | Self::EmbedContent
                | Self::Predict
                | Self::CohereEmbed
                | Self::CohereRerank
                | Self::OllamaEmbed
        )
    }

    /// Whether what it makes is images.
    #[must_use]
    pub fn makes_images(self) -> bool {
        matches!(self, Self::Images | Self::ImageEdits)
    }

    /// Whether a stream reports usage only to those who ask with `stream_options.include_usage`.
    #[must_use]
    pub fn reports_usage_on_request(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }
}
