//! An identity provider of a test: a key pair, tokens with real signatures, and the `jwt_authn` filter that checks them.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who issues its tokens.
pub const ISSUER: &str = "https://login.example.com";

/// One with a key pair of its own.
pub struct IdentityProvider {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityProvider")
    }
}

impl Default for IdentityProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl IdentityProvider {
    /// A new one.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("randomness");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random);
        Self { pair: pair.expect("its own key"), random }
    }

    /// A token with these claims, good for a day and meant for the gateway unless they say otherwise.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let signed = signed_part(&json!({"alg": "ES256", "kid": "a", "typ": "JWT"}), claims);
        let signature = self.pair.sign(&self.random, signed.as_bytes()).expect("randomness");
        format!("{signed}.{}", Self::base64(signature.as_ref()))
    }

    /// The same that says that it needs no signature.
    #[must_use]
    pub fn unsigned_token(&self, claims: &Value) -> String {
        format!("{}.", signed_part(&json!({"alg": "none", "typ": "JWT"}), claims))
    }

    /// The filter that checks its tokens. `is_optional`: a request without a good one goes on, without a proof.
    #[must_use]
    pub fn jwt_authn(&self, is_optional: bool) -> Value {
        let [x, y] = [1..33, 33..65]
            .map(|at| Self::base64(self.pair.public_key().as_ref().get(at).unwrap_or_default()));
        let jwks =
            json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a", "x": x, "y": y}]});
        let own = json!({"provider_name": "login"});
        let requires = if is_optional {
            json!({"requires_any": {"requirements": [own, {"allow_missing_or_failed": {}}]}})
        } else {
            own
        };
        json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"login": {
                "issuer": ISSUER,
                "audiences": ["farebox"],
                "forward": true,
                "forward_payload_header": "x-jwt-payload",
                "payload_in_metadata": "payload",
                "local_jwks": {"inline_string": jwks.to_string()},
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": requires}],
        }})
    }

    /// As tokens have it: for URLs, without padding.
    #[must_use]
    pub fn base64(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for part in bytes.chunks(3) {
            let number =
                part.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
            for at in 0..=part.len() {
                text.push(char::from(LETTERS[(number >> (18 - 6 * at) & 63) as usize]));
            }
        }
        text
    }
}

fn signed_part(header: &Value, claims: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut all = json!({"iss": ISSUER, "aud": ["farebox"], "sub": "x", "exp": now + 86_400});
    let own = claims.as_object().cloned().unwrap_or_default();
    all.as_object_mut().expect("an object").extend(own);
    let part = |value: &Value| IdentityProvider::base64(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(&all))
}
