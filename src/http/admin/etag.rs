//! `ETag`, `If-Match` and `If-None-Match`, over step, description, limit and retirement alone: `max_id` changes
//! with every claim, and a change that rests on it would never come through.

use crate::{
    http::{codes::Kind, refusal::Refused},
    storage::{Seen, TagRow},
};
use actix_web::{
    HttpRequest,
    http::header::{self, EntityTag, IfMatch, IfNoneMatch},
};
use sha2::{Digest as _, Sha256};

/// Of what an administrator changes.
pub(super) fn of(row: &TagRow) -> EntityTag {
    EntityTag::new_strong(digest([
        &row.step.to_be_bytes()[..],
        &row.id_limit.unwrap_or(0).to_be_bytes(),
        &[u8::from(row.retired)],
        row.description.as_bytes(),
    ]))
}

/// The text of an entity tag: 96 bits of SHA-256, in hexadecimal.
pub(in crate::http) fn digest<const N: usize>(parts: [&[u8]; N]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    hash[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Whether the conditions of a change hold for the row there is, if any; what the change may rest on.
/// A deleted tag counts as none for `If-None-Match: *`, since its name can be made again.
pub(super) fn check(request: &HttpRequest, row: Option<&TagRow>) -> Result<Option<Seen>, Refused> {
    let live = row.filter(|row| !row.retired);
    if request.headers().contains_key(header::IF_NONE_MATCH) {
        let holds = match parse::<IfNoneMatch>(request, "If-None-Match")? {
            IfNoneMatch::Any => live.is_none(),
            IfNoneMatch::Items(items) => {
                row.is_none_or(|row| !items.iter().any(|item| item.weak_eq(&of(row))))
            }
        };
        if !holds {
            return Err(failed("If-None-Match: the biz_tag exists"));
        }
    }
    if !request.headers().contains_key(header::IF_MATCH) {
        return Ok(None);
    }
    let wanted = parse::<IfMatch>(request, "If-Match")?;
    let holds = row.is_some_and(|row| match &wanted {
        IfMatch::Any => true,
        IfMatch::Items(items) => items.iter().any(|item| item.strong_eq(&of(row))),
    });
    if !holds {
        return Err(failed(
            "If-Match: step, description, limit or deletion are not what they were; look at the biz_tag again",
        ));
    }
    Ok(match wanted {
        IfMatch::Any => None,
        IfMatch::Items(_) => live.map(|row| Seen {
            step: row.step,
            description: row.description.clone(),
            id_limit: row.id_limit,
        }),
    })
}

fn failed(text: &'static str) -> Refused {
    Refused::Because(Kind::PreconditionFailed, text.into())
}

/// What actix cannot read of a list it leaves out, so that nonsense would be an empty list.
fn parse<H: header::Header>(request: &HttpRequest, name: &str) -> Result<H, Refused> {
    let broken = || Refused::invalid(format!("{name} is not `*` or a list of quoted entity tags"));
    let mut values = request.headers().get_all(H::name());
    let is_whole = values.all(|value| {
        value
            .to_str()
            .is_ok_and(|text| text.trim() == "*" || is_list(text))
    });
    match H::parse(request) {
        Ok(parsed) if is_whole => Ok(parsed),
        _ => Err(broken()),
    }
}

/// Whether it is a list of entity tags, as RFC 9110 (8.8.3) writes them.
fn is_list(text: &str) -> bool {
    let text = text.trim_start();
    let tag = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"');
    let Some((tag, rest)) = tag.and_then(|tag| tag.split_once('"')) else {
        return false;
    };
    let is_plain = tag
        .bytes()
        .all(|byte| byte == 0x21 || (0x23..=0x7e).contains(&byte));
    match rest.trim_start() {
        "" => is_plain,
        rest => is_plain && rest.strip_prefix(',').is_some_and(is_list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TagRow {
        TagRow {
            biz_tag: "a".into(),
            max_id: 5,
            step: 7,
            description: "x".into(),
            retired: false,
            id_limit: None,
            guard: None,
            fault: None,
        }
    }

    #[test]
    fn claims_change_no_entity_tag_and_administrators_do() {
        let tag = of(&row());
        assert_eq!(
            tag,
            of(&TagRow {
                max_id: 900,
                ..row()
            })
        );
        for other in [
            TagRow { step: 8, ..row() },
            TagRow {
                description: "y".into(),
                ..row()
            },
            TagRow {
                id_limit: Some(900),
                ..row()
            },
            TagRow {
                retired: true,
                ..row()
            },
        ] {
            assert_ne!(tag, of(&other), "{other:?}");
        }
    }

    #[test]
    fn conditions_hold_for_what_was_seen_alone() {
        let request = |name: &str, value: &str| {
            actix_web::test::TestRequest::default()
                .insert_header((name, value))
                .to_http_request()
        };
        let tag = of(&row()).to_string();
        let seen = check(&request("If-Match", &tag), Some(&row()))
            .unwrap()
            .unwrap();
        assert_eq!((seen.step, seen.description.as_str()), (7, "x"));
        assert!(
            check(&request("If-Match", "*"), Some(&row()))
                .unwrap()
                .is_none()
        );
        for (name, value) in [
            ("If-Match", "\"no\""),
            ("If-None-Match", "*"),
            ("If-None-Match", &tag),
        ] {
            let refused = check(&request(name, value), Some(&row()));
            assert!(
                matches!(refused, Err(Refused::Because(Kind::PreconditionFailed, _))),
                "{name}: {value}"
            );
        }
        assert!(check(&request("If-Match", "*"), None).is_err());
        assert!(check(&request("If-None-Match", "*"), None).is_ok());
        let gone = TagRow {
            retired: true,
            ..row()
        };
        assert!(check(&request("If-None-Match", "*"), Some(&gone)).is_ok());
        let both = format!("\"a,b\" , W/{tag}");
        assert!(check(&request("If-None-Match", &both), Some(&row())).is_err());
        for name in ["If-Match", "If-None-Match"] {
            for text in [
                "garbage",
                "",
                "a, \"b\"",
                "\"b\", c",
                "\"open",
                "**",
                "\"a\" \"b\"",
                "\"a\",",
            ] {
                for row in [None, Some(&row())] {
                    let broken = check(&request(name, text), row);
                    assert!(
                        matches!(broken, Err(Refused::Because(Kind::InvalidRequest, _))),
                        "{name}: {text}"
                    );
                }
            }
        }
    }
}
