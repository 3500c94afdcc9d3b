//! Claims of any form, at any path.

use proptest::prelude::*;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c.]{1,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn plain(claim: Claim<'_>) -> Value {
    match claim {
        Claim::Null => Value::Null,
        Claim::Number(number) => json!(number as i64),
        Claim::Text(text) => json!(text),
        Claim::Flag(flag) => json!(flag),
        Claim::Object(object) => Value::Object(
            claim::members(object)
                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), plain(value)))
                .collect(),
        ),
        Claim::List(list) => claim::items(list).map(plain).collect(),
        Claim::Unreadable => panic!("unreadable"),
    }
}

proptest! {
    #[test]
    fn a_claim_is_where_its_path_leads(whole in any_json(), path in prop::collection::vec("[a-c.]{1,2}", 1..4)) {
        let whole = json!({"a": whole});
        let bytes = object(&whole);
        prop_assert_eq!(plain(Claim::Object(&bytes)), whole.clone());
        let mut expected = Some(&whole);
        for name in &path {
            expected = expected.and_then(|object| object.as_object()?.get(name));
        }
        let path: Vec<Box<str>> = path.iter().map(|name| name.as_str().into()).collect();
        match claim::at(&bytes, &path) {
            Some(Claim::Unreadable) => prop_assert_eq!(expected, None),
            found => prop_assert_eq!(found.map(plain), expected.filter(|value| !value.is_null()).cloned()),
        }
    }

    #[test]
    fn no_bytes_panic_or_prove_anything(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let evidence = Found { metadata: Some(bytes), uri: None };
        let refused = team(jwt(json!({})), &evidence).is_err();
        prop_assert!(refused);
    }

    #[test]
    fn no_header_proves_anything(value in "[ -~]{0,80}", name in "x-forwarded-client-cert|x-jwt-payload|cookie|x-farebox-user|authorization|x-team") {
        let found = found(jwt(json!({"user": "email"})), &Found::default(), &[(&name, &value)]);
        prop_assert!(found.is_err());
    }
}
