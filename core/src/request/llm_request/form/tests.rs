//! What is read of a form, and what is refused because others would read it in other ways.

use proptest::prelude::*;
#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=b0";

fn part(head: &str, value: &str) -> String {
    format!("--b0\r\n{head}\r\n\r\n{value}\r\n")
}

fn field(name: &str, value: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

fn model(content_type: &str, parts: &[String]) -> Result<Option<String>, LlmRequestError> {
    let body = [parts.concat(), "--b0--\r\n".to_owned()].concat();
    read(content_type.as_bytes(), body.as_bytes()).map(|form| form.model.map(|(model, _)| model))
}

#[test]
fn forms_as_clients_write_them_are_read() {
    let file =
        "Content-Disposition: form-data; name=\"file\"; filename=\"C:\\a b.mp3\"\r\nContent-Type: audio/mpeg";
    for (content_type, head) in [
        (TYPE, "Content-Disposition: form-data; name=\"model\""),
        (TYPE, "content-disposition: form-data;name=\"model\"\r\nContent-Type: text/plain; charset=UTF-8"),
        (TYPE, "Content-Disposition: form-data; name=model"),
        (
            TYPE,
            "Content-Disposition: form-data; NAME=\"model\"\r\nContent-Length: 5\r\nContent-Transfer-Encoding: binary",
        ),
        (
            "Multipart/Form-Data; charset=utf-8; boundary=\"b0\"",
            "Content-Disposition: form-data; name=\"model\"",
        ),
    ] {
        let parts = [part(file, "\0--b\r\n--b0 in the middle"), part(head, "small")];
        assert_eq!(model(content_type, &parts[1..]), Ok(Some("small".into())), "{content_type} {head}");
    }
    let both =
        [part(file, "\0\r\n-- b0\r\n"), field("model", "small"), field("stream", "True"), field("n", "2")];
    let body = [both.concat(), "--b0--".to_owned()].concat();
    let form = read(TYPE.as_bytes(), body.as_bytes()).unwrap();
    assert_eq!((form.model.unwrap().0.as_str(), form.stream, form.choices), ("small", Some(true), Some(2)));
    let names =
        "Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"; filename*=UTF-8''%e2%82%ac.mp3";
    assert_eq!(model(TYPE, &[part(names, "x"), field("model", "m")]), Ok(Some("m".into())));
}

#[test]
fn what_some_read_in_another_way_is_refused() {
    let good = field("model", "small");
    for head in [
        "Content-Disposition: form-data; name*=UTF-8''model",
        "Content-Disposition: form-data; name=\"model\"; name=\"file\"",
        "Content-Disposition: form-data;\r\n name=\"model\"",
        "Content-Disposition: form-data; name=\"mo\\del\"",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"; name=\"model\"",
        "Content-Disposition: form-data; name=\"Model\"",
        "Content-Disposition: form-data; name=\"MODEL\"",
        "Content-Disposition: form-data; name=\"model[]\"",
        "Content-Disposition: form-data; name=\" model\"",
        "Content-Disposition: form-data; name=\"mod%65l\"",
        "Content-Disposition: form-data; name=\"_charset_\"",
        "Content-Disposition: form-data; name='model'",
        "Content-Disposition: form-data; name = \"model\" x",
        "Content-Disposition: attachment; name=\"model\"",
        "Content-Disposition: form-data; name=\"model\"; filename=\"m\"",
        "Content-Disposition: form-data; name=\"model\"; filename*=UTF-8''m",
        "Content-Disposition: form-data; name=\"model\"\r\nContent-Disposition: form-data; name=\"file\"",
        "Content-Disposition: form-data; name=\"model\"\r\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Transfer-Encoding: quoted-printable",
        "Content-Disposition: form-data; name=\"model\"\r\nContent-Type: text/plain; charset=utf-16",
        "Content-Disposition: form-data; name=\"file\"\r\nContent-Type: multipart/mixed; boundary=c",
        "Content-Disposition : form-data; name=\"model\"",
        "X-Other: 1",
        "Content-Disposition: form-data; name=\"\"",
        "Content-Disposition: form-data; name=\"file\"\nContent-Disposition: form-data; name=\"model\"",
    ] {
        assert!(model(TYPE, &[good.clone(), part(head, "big")]).is_err(), "{head}");
        assert!(model(TYPE, &[part(head, "big")]).is_err() || head.contains("attachment"), "{head}");
    }
    for value in ["", " small", "small\n", "sm\0all"] {
        assert!(model(TYPE, &[field("model", value)]).is_err(), "{value:?}");
    }
    for (name, value) in [("n", "x"), ("n", "-1"), ("n", "2.0"), ("stream", "yes"), ("n", "")] {
        assert!(model(TYPE, &[good.clone(), field(name, value)]).is_err(), "{name} {value}");
    }
    assert_eq!(model(TYPE, &[good.clone(), field("model", "big")]), Err(LlmRequestError::Duplicate("model")));
}

#[test]
fn a_body_that_some_take_apart_in_another_way_is_no_form() {
    let good = field("model", "small");
    for body in [
        format!("preamble\r\n{good}--b0--\r\n"),
        format!("\r\n{good}--b0--\r\n"),
        format!("{good}--b0--\r\nepilogue"),
        format!("{good}--b0--\r\n{good}--b0--\r\n"),
        format!("{}--b0--\r\n", good.replace("\r\n", "\n")),
        format!("{}--b0--\r\n", field("file", &format!("x\n{good}"))),
        format!(
            "{}--b0--\r\n",
            field("file", "x\r--b0\rContent-Disposition: form-data; name=\"model\"\r\rbig")
        ),
        format!("{}--b0--\r\n", good.replace("--b0\r\n", "--b0 \r\n")),
        format!("{good}--b0x\r\n--b0--\r\n"),
        good.clone(),
        "--b0--".to_owned(),
    ] {
        assert!(read(TYPE.as_bytes(), body.as_bytes()).is_err(), "{body:?}");
    }
    let body = format!("{good}--b0--\r\n");
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=b0; boundary=c",
        "multipart/form-data; boundary=c; BOUNDARY=b0",
        "multipart/form-data; boundary*=b0",
        "multipart/form-data; boundary=\"b0\\\"",
        "multipart/form-data; boundary=b0, multipart/form-data; boundary=c",
        "multipart/mixed; boundary=b0",
        "application/x-www-form-urlencoded; boundary=b0",
        "application/json",
        "",
    ] {
        assert!(read(content_type.as_bytes(), body.as_bytes()).is_err(), "{content_type}");
    }
}

/// Pieces of forms, from usual to odd.
fn piece() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec![
        "Content-Disposition: form-data; name=\"model\"",
        "content-disposition: form-data; name=model",
        "Content-Disposition: form-data; NAME=\"model\"",
        "Content-Disposition: form-data; name*=utf-8''model",
        "Content-Disposition: form-data; name=\"Model\"",
        "Content-Disposition: form-data; name=\"file\"; filename=\"a\\\"; name=\"model\"",
        "Content-Disposition: form-data;\r\n name=\"model\"",
        "Content-Disposition: form-data; name=\"file\"; filename=\"x\"",
        "Content-Disposition: form-data; name=\"file\"\nContent-Disposition: form-data; name=\"model\"",
        "Content-Disposition: form-data; name=\"file\"; name=\"model\"",
        "Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"model\"",
    ]);
    let end = prop::sample::select(vec!["\r\n", "\n", "\r", " \r\n", ""]);
    (head, "[a-c]{1,2}", end.clone(), end)
        .prop_map(|(head, value, first, last)| format!("--b0{first}{head}\r\n\r\n{value}{last}"))
}

proptest! {
    #[test]
    fn whatever_model_a_lenient_parser_would_read_is_the_one_that_is_read(
        pieces in prop::collection::vec(piece(), 1..4), last in prop::sample::select(vec!["--b0--\r\n", "--b0--", "--b0--\n", ""]),
    ) {
        let body = [pieces.concat(), last.to_owned()].concat();
        if let Ok(form) = read(TYPE.as_bytes(), body.as_bytes()) {
            let lenient = farebox_readers::form::values(TYPE, body.as_bytes(), "model");
            let own: Vec<String> = form.model.into_iter().map(|(model, _)| model).collect();
            prop_assert_eq!(lenient, own, "{:?}", body);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(content_type in prop::collection::vec(any::<u8>(), 0..40), body in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = read(&content_type, &body);
        let _ = read(TYPE.as_bytes(), &[b"--b0\r\n", &body[..], b"\r\n--b0--"].concat());
    }
}
