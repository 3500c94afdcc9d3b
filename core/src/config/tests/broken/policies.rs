//! Mistakes in what the operator decides for all requests.

use super::*;

#[test]
fn what_is_wrong_with_the_other_settings_is_told() {
    check(&[
        (
            "prices",
            r#"{"local/*": {"input": 0.0000001, "output": "1,5", "cached": 1}}"#,
            &[
                "prices[\"local/*\"].input: has more decimals than can be counted",
                "prices[\"local/*\"].output: is not a decimal number",
                "prices[\"local/*\"].cached: unknown key (known here: input, cache_read, cache_write, \
                 cache_write_long, input_audio, cache_read_audio, input_image, cache_read_image, output, \
                 reasoning, output_audio, output_image, web_search, file_search, request, grounded_request, \
                 tiers, service_tiers, flex, priority, batch, fast)",
            ],
        ),
        (
            "prices",
            r#"{"local/*": {"input": 1, "output": 2, "tiers": [{"input": 3}], "flex": {"tiers": []}}}"#,
            &[
                "prices[\"local/*\"].tiers[0]: \"above_input_tokens\" is missing",
                "prices[\"local/*\"].flex.tiers: unknown key (known here: input, cache_read, cache_write, \
                 cache_write_long, input_audio, cache_read_audio, input_image, cache_read_image, output, \
                 reasoning, output_audio, output_image, web_search, file_search, request, grounded_request)",
            ],
        ),
        (
            "prices",
            r#"{"local/*": {"input": 1, "output": 2, "service_tiers": {"ultra fast": {"input": 3}, "warp": {"inptu": 1}}}}"#,
            &[
                "prices[\"local/*\"].service_tiers[\"ultra fast\"]: the name must be 1 to 64 characters out of A-Z, a-z, \
                 0-9, \".\", \"_\" and \"-\"",
                "prices[\"local/*\"].service_tiers.warp.inptu: unknown key (did you mean \"input\"?)",
            ],
        ),
        (
            "providers",
            r#"{"local": {"dialect": "openai", "cluster": "local", "catalogue": "azur", "price_multiplier": 1.0001},
                "other": {"dialect": "openai", "cluster": "other", "price_multiplier": 1001, "stated_cost": "chrage"}}"#,
            &[
                r#"providers.local.catalogue: no prices are listed of this provider (did you mean "azure"?)"#,
                "providers.local.price_multiplier: has more decimals than can be counted",
                "providers.other.price_multiplier: must be a number from 0 to 1000",
                r#"providers.other.stated_cost: must be one of charge, compare (did you mean "charge"?)"#,
            ],
        ),
        ("unpriced", r#""alow""#, &[r#"unpriced: must be one of deny, allow (did you mean "allow"?)"#]),
        (
            "on_disconnect",
            r#""bill_sen""#,
            &[
                r#"on_disconnect: must be one of bill_seen, bill_expected, bill_hold, bill_input_only (did you mean "bill_seen"?)"#,
            ],
        ),
        ("hold", r#"{"ceiling_usd": -1}"#, &["hold.ceiling_usd: must not be negative"]),
        (
            "hold",
            r#"{"output_tokens": 0, "strict_output_tokens": 0, "least_output_tokens": 0}"#,
            &[
                "hold.strict_output_tokens: must be a whole number from 1 to 9007199254740991",
                "hold.least_output_tokens: must be a whole number from 1 to 9007199254740991",
            ],
        ),
        ("denial", r#"{"budget_status": 403}"#, &["denial.budget_status: must be 429 or 402"]),
        (
            "endpoints",
            r#"["/v2/x"]"#,
            &["endpoints[0]: must be a path or a pattern of one that begins with \"/v1/\""],
        ),
        (
            "limits",
            r#"{"request_body_bytes": 1, "request_body_seconds": 0}"#,
            &[
                "limits.request_body_bytes: must be a whole number from 1024 to 1073741824",
                "limits.request_body_seconds: must be a whole number from 1 to 3600",
            ],
        ),
        (
            "limits",
            r#"{"request_body_bytes": 4096, "pending_body_bytes": 2048, "pending_body_bytes_per_key": 1024}"#,
            &[
                "limits.pending_body_bytes: must be at least a body or a key's part (4096), or such a body would never be let in",
                "limits.pending_body_bytes_per_key: must be at least limits.request_body_bytes (4096), or such a body would never be let in",
            ],
        ),
    ]);
}
