//! Decides in which order providers are written down: that of the document, so that the two can be compared.
//!
//! A [`Config`] is there for looking things up and knows no order.

use core::fmt;
use core::marker::PhantomData;

use farebox_core::config::{Config, Provider};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object, in their order.
struct Members<T>(Vec<(String, T)>);

struct MembersVisitor<T>(PhantomData<T>);

/// The providers of `config`, in the order in which they stand in `json`, from which it was read.
pub(super) fn in_order<'a>(json: &str, config: &'a Config) -> Vec<&'a Provider> {
    let Ok(Members(document)) = serde_json::from_str::<Members<Box<RawValue>>>(json) else {
        return Vec::new();
    };
    let providers = document.iter().find(|(key, _)| key == "providers");
    let Some(Ok(Members(providers))) =
        providers.map(|(_, providers)| serde_json::from_str::<Members<IgnoredAny>>(providers.get()))
    else {
        return Vec::new();
    };
    providers
        .iter()
        .filter_map(|(name, _)| config.providers.get(name.as_str()).map(|found| &**found))
        .collect()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
    type Value = Members<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}
