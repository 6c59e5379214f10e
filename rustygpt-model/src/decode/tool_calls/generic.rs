//! Models that were trained on no format of their own: an answer that is
//! `{"name": …, "arguments": …}`.

use super::{CallBody, CallFormat, CallId};

pub(super) const FORMAT: CallFormat = CallFormat {
    begin: None,
    is_bare: true,
    is_list: false,
    each: None,
    body: CallBody::Object {
        arguments: "arguments",
    },
    end: None,
    id: CallId::Usual,
};
