//! Which headers of an answer say how it was served.
//!
//! A provider may name the tier there and nowhere else, and a tier that is not read would cost what the standard one
//! does. What the body says comes later and wins.
//!
//! Sources: Gemini API, priority and flex inference; Amazon Bedrock API reference, InvokeModel.

use super::Field;

/// Each header with what it says.
pub const SERVED: [(&str, Field); 3] = [
    ("x-gemini-service-tier", Field::ServiceTier),
    ("x-amzn-bedrock-service-tier", Field::ServiceTier),
    ("x-amzn-bedrock-performanceconfig-latency", Field::Speed),
];
