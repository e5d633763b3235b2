//! Operations of the user's own, as much as a graph knows of them: a name, attributes as text, equality. In: what `ops/custom`
//! wraps. Out: [`CustomKind`], the attribute of [`Custom`](super::Custom).

use std::{
    any::Any,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// What a graph asks of an operation of the user's own.
pub(crate) trait CustomAttributes: fmt::Debug + Send + Sync {
    /// The name in the text form.
    fn name(&self) -> &'static str;

    /// What tells it from others of this name, as text.
    fn text(&self) -> String;

    /// Whether both compute the same.
    fn is_equal(&self, other: &dyn CustomAttributes) -> bool;

    /// Equal for those that are.
    fn fingerprint(&self, hasher: &mut DefaultHasher);

    /// Whether running it does nothing but compute its value.
    fn is_pure(&self) -> bool;

    /// Itself, for whoever wrapped it.
    fn as_any(&self) -> &dyn Any;
}

/// Which operation of the user's own a node computes. Clones share it.
#[derive(Clone)]
pub struct CustomKind(Arc<dyn CustomAttributes>);

impl CustomKind {
    /// None: there is no list of what users write.
    pub const ALL: &'static [CustomKind] = &[];

    pub(crate) fn new(attributes: impl CustomAttributes + 'static) -> CustomKind {
        CustomKind(Arc::new(attributes))
    }

    /// The name in the text form.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What tells it from others of this name, as text.
    pub fn attributes(&self) -> String {
        self.0.text()
    }

    /// Whether running it does nothing but compute its value.
    pub fn is_pure(&self) -> bool {
        self.0.is_pure()
    }

    pub(crate) fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }
}

impl fmt::Debug for CustomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for CustomKind {
    fn eq(&self, other: &CustomKind) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.is_equal(&*other.0)
    }
}

impl Hash for CustomKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut hasher = DefaultHasher::new();
        self.0.fingerprint(&mut hasher);
        hasher.finish().hash(state);
    }
}
