use super::*;
use crate::config::testing;

fn identify(headers: &[(&str, &str)]) -> Result<String, IdentityError> {
    let config = testing::config(|json| {
        json["identity"] = serde_json::json!({"header": "x-auth-client"});
        json["keys"][1]["enabled"] = false.into();
        json["keys"][2]["expires"] = "2026-01-01".into();
    });
    let headers = headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let head = RequestHead::new(headers.collect());
    super::identify(&config, &head, None, testing::NOW, None).map(|key| key.id.to_string())
}

#[test]
fn a_key_is_accepted_as_a_bearer_token_and_in_the_headers_of_the_sdks() {
    assert_eq!(identify(&[("authorization", "Bearer fb_a_secret-of-a")]), Ok("a".into()));
    assert_eq!(identify(&[("authorization", "bearer  fb_a_secret-of-a ")]), Ok("a".into()));
    for header in ["x-api-key", "api-key", "x-goog-api-key"] {
        assert_eq!(identify(&[(header, "fb_a_secret-of-a")]), Ok("a".into()));
    }
}

#[test]
fn a_key_has_two_secrets_while_one_takes_the_others_place() {
    let hash =
        |text: &str| digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let both = [hash("fb_a_old"), hash("fb_a_new")];
    let config = testing::config(|json| json["keys"][0]["sha256"] = serde_json::json!(both));
    for (key, expected) in [("fb_a_old", true), ("fb_a_new", true), ("fb_a_secret-of-a", false)] {
        let head = RequestHead::from([("x-api-key", key)]);
        assert_eq!(super::identify(&config, &head, None, testing::NOW, None).is_ok(), expected, "{key}");
    }
}

#[test]
fn a_wrong_secret_and_an_unknown_id_are_the_same_to_the_caller() {
    for key in ["fb_a_secret-of-b", "fb_a_", "fb_a", "fb_", "fb_nobody_x", "sk-other", "Basic Zm9v", ""] {
        assert_eq!(identify(&[("x-api-key", key)]), Err(IdentityError::Invalid), "{key}");
    }
}

#[test]
fn a_request_without_a_credential_is_told_so() {
    assert_eq!(identify(&[("accept", "*/*")]), Err(IdentityError::Missing));
}

#[test]
fn a_key_in_the_query_is_accepted_on_googles_paths_and_only_alone() {
    let config = testing::config(|_| {});
    let of = |path: &str, header: Option<&str>, api| {
        let mut headers = vec![(b":path".to_vec(), path.as_bytes().to_vec())];
        headers.extend(header.map(|key| (b"x-goog-api-key".to_vec(), key.as_bytes().to_vec())));
        let head = RequestHead::new(headers);
        super::identify(&config, &head, Some(api), testing::NOW, None).map(|key| key.id.to_string())
    };
    let path = "/v1beta/models/m:generateContent?alt=sse&key=fb_a_secret-of-a";
    assert_eq!(of(path, None, Api::Gemini), Ok("a".into()));
    assert_eq!(of(path, None, Api::OpenAi), Err(IdentityError::Missing));
    assert_eq!(of(path, Some("fb_a_secret-of-a"), Api::Gemini), Ok("a".into()));
    let other = Err(IdentityError::Several("key", "x-goog-api-key"));
    assert_eq!(of(path, Some("fb_off_secret-of-off"), Api::Gemini), other);
    assert_eq!(of(path, Some("fb_a_secret-of-a"), Api::OpenAi), Ok("a".into()));
    let twice = "/v1beta/models/m:generateContent?key=fb_a_secret-of-a&%6bey=AIza";
    assert_eq!(of(twice, None, Api::Gemini), Err(IdentityError::Repeated("key")));
}

const OURS: (&str, &str) = ("authorization", "Bearer fb_a_secret-of-a");

#[test]
fn of_two_credentials_the_one_that_is_ours_counts() {
    for other in ["sk-ant-x", "eyJ.x.y", "", "FB_b_x"] {
        assert_eq!(identify(&[OURS, ("x-api-key", other)]), Ok("a".into()), "{other}");
        let bearer = format!("Bearer {other}");
        assert_eq!(
            identify(&[("x-api-key", "fb_a_secret-of-a"), ("authorization", &bearer)]),
            Ok("a".into())
        );
    }
    // It counts even if it is wrong: nobody gets in by another way.
    let wrong = [("authorization", "Bearer fb_a_wrong"), ("x-api-key", "sk-x"), ("x-auth-client", "a")];
    assert_eq!(identify(&wrong), Err(IdentityError::Invalid));
}

#[test]
fn the_same_key_in_two_headers_is_one() {
    assert_eq!(identify(&[OURS, ("x-api-key", "fb_a_secret-of-a")]), Ok("a".into()));
    let three = [OURS, ("x-api-key", "sk-x"), ("api-key", "fb_a_secret-of-a")];
    assert_eq!(identify(&three), Ok("a".into()));
}

#[test]
fn two_keys_of_ours_or_two_of_nobodys_are_refused_with_both_places() {
    let several = |one, other| Err(IdentityError::Several(one, other));
    assert_eq!(identify(&[OURS, ("x-api-key", "fb_off_x")]), several("authorization", "x-api-key"));
    let between = [OURS, ("x-api-key", "sk-x"), ("api-key", "fb_off_x")];
    assert_eq!(identify(&between), several("authorization", "api-key"));
    let apart = [OURS, ("x-api-key", "fb_off_x"), ("api-key", "fb_a_secret-of-a")];
    assert_eq!(identify(&apart), several("authorization", "x-api-key"));
    let nobodys = [("x-api-key", "sk-x"), ("authorization", "Bearer eyJ.x.y")];
    assert_eq!(identify(&nobodys), several("x-api-key", "authorization"));
}

#[test]
fn a_header_that_comes_twice_is_refused_even_if_it_says_the_same() {
    let repeated = |header| Err(IdentityError::Repeated(header));
    for second in [OURS, ("authorization", "Bearer eyJ.x.y")] {
        assert_eq!(identify(&[OURS, second]), repeated("authorization"));
    }
    let joined = [("authorization", "Bearer fb_a_secret-of-a,Bearer fb_a_secret-of-a")];
    assert_eq!(identify(&joined), repeated("authorization"));
    assert_eq!(identify(&[("x-api-key", "fb_a_secret-of-a,sk-x")]), repeated("x-api-key"));
    let named = [("x-auth-client", "a"), ("x-auth-client", "a")];
    assert_eq!(identify(&named), repeated("the caller's header"));
}

#[test]
fn a_switched_off_or_expired_key_is_told_apart_from_a_wrong_one() {
    assert_eq!(identify(&[("x-api-key", "fb_off_secret-of-off")]), Err(IdentityError::Disabled));
    assert_eq!(identify(&[("x-api-key", "fb_old_secret-of-old")]), Err(IdentityError::Expired));
}

#[test]
fn who_is_not_let_in_has_named_a_key_all_the_same() {
    let config = testing::config(|json| {
        json["identity"] = serde_json::json!({"header": "x-auth-client"});
        json["keys"][1]["enabled"] = false.into();
    });
    let claimed_key = |name: &str, value: &str| {
        let head = RequestHead::from([(name, value)]);
        super::claimed_key(&config, &head, None, None).map(|key| key.id.to_string())
    };
    assert_eq!(claimed_key("x-api-key", "fb_off_secret-of-off").as_deref(), Some("off"));
    assert_eq!(claimed_key("authorization", "Bearer fb_a_a-secret-of-last-year").as_deref(), Some("a"));
    assert_eq!(claimed_key("x-auth-client", "off").as_deref(), Some("off"));
    for nobody in ["fb_nobody_x", "fb_a", "sk-a", "a", ""] {
        assert_eq!(claimed_key("x-api-key", nobody), None, "{nobody}");
    }
}

#[test]
fn an_authentication_filter_may_name_a_configured_caller() {
    assert_eq!(identify(&[("x-auth-client", "a"), ("authorization", "Bearer eyJ.x.y")]), Ok("a".into()));
    assert_eq!(identify(&[("x-auth-client", "nobody")]), Err(IdentityError::Invalid));
    assert_eq!(identify(&[("x-auth-client", "off")]), Err(IdentityError::Disabled));
}

#[test]
fn a_key_that_is_shown_beats_the_header_of_the_filter() {
    let wrong = [("x-auth-client", "a"), ("x-api-key", "fb_old_wrong")];
    assert_eq!(identify(&wrong), Err(IdentityError::Invalid));
}

#[test]
fn the_header_of_a_filter_means_nothing_unless_it_is_configured() {
    let config = testing::config(|_| {});
    let head = RequestHead::from([("x-auth-client", "a")]);
    assert_eq!(super::identify(&config, &head, None, testing::NOW, None), Err(IdentityError::Missing));
}
