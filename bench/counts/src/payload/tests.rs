use super::*;

#[test]
fn a_chat_is_as_long_as_it_should_be_and_always_the_same() {
    for size in [1024, 10 * 1024, 1024 * 1024] {
        let body = chat("gpt-4o-mini", size, false);
        assert!(body.len().abs_diff(size) <= 16, "{} bytes for {size}", body.len());
        assert_eq!(body, chat("gpt-4o-mini", size, false));
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert!(json["messages"].as_array().unwrap().len() >= 2 + size / 1024);
    }
}

#[test]
fn a_stream_has_the_events_that_were_asked_for_and_reports_usage_before_its_end() {
    for events in [10, 1000] {
        let pieces = stream(events).pieces;
        assert_eq!(pieces.len(), events);
        let usage = String::from_utf8(pieces[events - 2].clone()).unwrap();
        assert!(usage.contains("\"prompt_tokens\":230"), "{usage}");
        assert_eq!(pieces[events - 1], b"data: [DONE]\n\n");
    }
}
