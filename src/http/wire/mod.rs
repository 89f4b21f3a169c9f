//! The protocols in which callers ask for ids, a file each. What all of them do stands in `door.rs` once: who may, the
//! limits, the methods, taking the ids. A protocol translates what was asked and what is answered, and nothing else.
//!
//! | what you want to see | file |
//! |---|---|
//! | what every protocol goes through; what makes a protocol | `door.rs`, `protocol.rs` |
//! | `/alloc` and `/health`, as go-id-alloc has them; `/range` | `id_alloc.rs`, `range.rs`, `id_list.rs` |
//! | what callers of other id servers speak, where the section `wire` says so | `tinyid.rs`, `leaf.rs`, `cosid.rs` |
//! | tags that are made as they are asked for; errors as Spring writes them | `new_tags.rs`, `spring.rs` |
//! | query and form | `parameters.rs` |
//! | what the OpenAPI document says of them | `shapes.rs`, `foreign_shapes.rs` |

mod cosid;
mod door;
pub(super) mod foreign_shapes;
pub(super) mod id_alloc;
mod id_list;
mod leaf;
mod new_tags;
pub(super) mod parameters;
mod protocol;
pub(super) mod range;
pub(super) mod shapes;
mod spring;
mod tinyid;

pub(super) use door::Door;
pub use new_tags::NewTags;

use actix_web::web;

/// The routes of the protocols that are switched on.
pub(super) fn routes(config: &mut web::ServiceConfig, door: &Door) {
    let wire = &door.shared.wire;
    if wire.tinyid {
        tinyid::routes(config, door);
    }
    if wire.leaf {
        leaf::routes(config, door);
    }
    if wire.cosid {
        cosid::routes(config, door);
    }
}
