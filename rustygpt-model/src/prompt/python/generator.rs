//! What Jinja's lazy filters (`map`, `select`, …) return: something to iterate and nothing else.

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, ValueOrKwargs};
use minijinja::{Environment, State, Value, filters};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A Python generator: it can be iterated, is always true, has no length, no items by number and
/// no JSON. (Unlike Python's, it can be iterated again.)
#[derive(Debug)]
pub(super) struct Generator(Vec<Value>);

impl Generator {
    /// Wraps the items.
    fn value(items: Vec<Value>) -> Value {
        Value::from_object(Self(items))
    }

    /// Whether the value is one.
    pub(super) fn is(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some()
    }
}

impl Object for Generator {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Iter(Box::new(self.0.clone().into_iter()))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        None
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<generator object>")
    }
}

/// Replaces the filters that are lazy in Jinja.
pub(super) fn install(environment: &mut Environment<'static>) {
    type Arguments = Rest<ValueOrKwargs>;
    environment.add_filter(
        "map",
        |state: &mut State<'_, '_>, value: Value, args: Arguments| {
            filters::map(state, value, args).map(Generator::value)
        },
    );
    environment.add_filter(
        "select",
        |state: &mut State<'_, '_>, value: Value, test: Option<Cow<'_, str>>, args: Arguments| {
            filters::select(state, value, test, args).map(Generator::value)
        },
    );
    environment.add_filter(
        "reject",
        |state: &mut State<'_, '_>, value: Value, test: Option<Cow<'_, str>>, args: Arguments| {
            filters::reject(state, value, test, args).map(Generator::value)
        },
    );
    environment.add_filter(
        "selectattr",
        |state: &mut State<'_, '_>,
         value: Value,
         attribute: Cow<'_, str>,
         test: Option<Cow<'_, str>>,
         args: Arguments| {
            filters::selectattr(state, value, attribute, test, args).map(Generator::value)
        },
    );
    environment.add_filter(
        "rejectattr",
        |state: &mut State<'_, '_>,
         value: Value,
         attribute: Cow<'_, str>,
         test: Option<Cow<'_, str>>,
         args: Arguments| {
            filters::rejectattr(state, value, attribute, test, args).map(Generator::value)
        },
    );
}
