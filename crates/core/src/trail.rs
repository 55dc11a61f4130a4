mod facts;

use std::{
    borrow::Cow,
    fmt,
    iter::Sum,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Extensions, request::Parts};
use serde_json::Value;

use self::facts::Facts;

/// What has been learned of a request so far: typed facts, in the request's extensions.
///
/// Inner layers write; outer ones read at the end, also of a cancelled request. Whoever sends a request more than once
/// gives each attempt a [`child`](Self::child). There are three ways to read: [`get`](Self::get) this node,
/// [`find`](Self::find) also in its parents, [`sum`](Self::sum) also over its children.
///
/// A fact is anything `Clone`; keep it cheap to clone. Usage is *set*, not added, since providers send running totals.
///
/// ```
/// use tollgate_core::{Trail, fact::{Principal, Usage}};
///
/// let trail = Trail::new();
/// trail.set(Principal::new("key-1"));
///
/// let first = trail.child();
/// first.set(Usage { output: 3, ..Usage::default() });
/// let second = trail.child();
/// second.set(Usage { output: 4, ..Usage::default() });
///
/// assert_eq!(second.find::<Principal>().unwrap().key(), "key-1");
/// assert_eq!(trail.get::<Usage>(), None);
/// assert_eq!(trail.sum::<Usage>().unwrap().output, 7);
/// ```
#[derive(Clone)]
pub struct Trail {
    // A node points down and a handle points up, never both in one `Arc`: there is no cycle.
    node: Arc<Node>,
    parent: Option<Arc<Self>>,
}

impl Trail {
    /// A trail without facts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            node: Arc::default(),
            parent: None,
        }
    }

    /// The trail of a request, begun if there is none.
    pub fn of(parts: &mut Parts) -> Self {
        Self::in_extensions(&mut parts.extensions)
    }

    /// The trail among these extensions of a request, begun if there is none.
    pub fn in_extensions(extensions: &mut Extensions) -> Self {
        extensions.get_or_insert_with(Self::new).clone()
    }

    /// A node for one attempt, below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self {
            node: Arc::default(),
            parent: Some(Arc::new(self.clone())),
        };
        self.node.lock().children.push(Arc::clone(&child.node));
        child
    }

    /// The nodes of the attempts, in the order in which they were made.
    #[must_use]
    pub fn children(&self) -> Vec<Self> {
        let state = self.node.lock();
        if state.children.is_empty() {
            return Vec::new();
        }
        let parent = Arc::new(self.clone());
        let attach = |node: &Arc<Node>| Self {
            node: Arc::clone(node),
            parent: Some(Arc::clone(&parent)),
        };
        state.children.iter().map(attach).collect()
    }

    /// Writes a fact, in the place of one of its type.
    pub fn set<T: Clone + Send + Sync + 'static>(&self, fact: T) {
        // What it replaces is dropped when the lock is free again: its `Drop` is the user's code.
        let _replaced = self.node.lock().facts.set(fact);
    }

    /// Changes a fact in place, beginning with its default. The closure must not use this trail: it is locked.
    pub fn update<T>(&self, change: impl FnOnce(&mut T))
    where
        T: Clone + Default + Send + Sync + 'static,
    {
        change(self.node.lock().facts.get_or_default());
    }

    /// The fact of this node.
    #[must_use]
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.node.lock().facts.get().cloned()
    }

    /// The fact of this node, or of the nearest node above that has it.
    #[must_use]
    pub fn find<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let mut trail = self;
        loop {
            match (trail.get(), trail.parent.as_deref()) {
                (None, Some(parent)) => trail = parent,
                (fact, _) => return fact,
            }
        }
    }

    /// Holds this node still, to read several of its facts at once. Until it is dropped, everybody else who asks this
    /// trail waits: do not use the trail meanwhile.
    #[must_use]
    pub fn glance(&self) -> Glance<'_> {
        Glance(self.node.lock())
    }

    /// The sum of a fact over this node and all below it; nothing if none of them has it.
    #[must_use]
    pub fn sum<T: Clone + Send + Sync + Sum + 'static>(&self) -> Option<T> {
        self.glance().sum()
    }

    /// Writes down something that only the record's reader needs to understand. A node keeps up to 64 notes; a name
    /// that is there already is overwritten.
    pub fn note(&self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        let notes = &mut self.node.lock().notes;
        if let Some(note) = notes.iter_mut().find(|(known, _)| *known == name) {
            note.1 = value;
        } else if notes.len() < MOST_NOTES {
            notes.push((name, value));
        } else {
            tracing::warn!(note = %name, "a trail is full of notes");
        }
    }

    /// What has been noted at this node, in order.
    #[must_use]
    pub fn notes(&self) -> Vec<(Cow<'static, str>, Value)> {
        self.node.lock().notes.clone()
    }
}

impl Default for Trail {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Trail {
    // Facts may hold prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.node.lock();
        f.debug_struct("Trail")
            .field("children", &state.children.len())
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Node(Mutex<State>);

#[derive(Default)]
struct State {
    facts: Facts,
    notes: Vec<(Cow<'static, str>, Value)>,
    children: Vec<Arc<Node>>,
}

impl Node {
    // The state is whole between any two statements: a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node of a [`Trail`] that is held still, with all below it within reach. Nothing is copied.
pub struct Glance<'a>(MutexGuard<'a, State>);

impl Glance<'_> {
    /// The fact of this node.
    #[must_use]
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.facts.get()
    }

    /// The sum of a fact over this node and all below it; nothing if none of them has it.
    #[must_use]
    pub fn sum<T: Clone + Send + Sync + Sum + 'static>(&self) -> Option<T> {
        let below = self.children().filter_map(|child| child.sum());
        let facts = self.get().cloned().into_iter().chain(below);
        facts.reduce(|sum, fact| [sum, fact].into_iter().sum())
    }

    /// The nodes of the attempts, in the order in which they were made.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = Glance<'_>> {
        self.0.children.iter().map(|node| Glance(node.lock()))
    }

    /// What has been noted at this node, in order.
    #[must_use]
    pub fn notes(&self) -> &[(Cow<'static, str>, Value)] {
        &self.0.notes
    }
}

impl fmt::Debug for Glance<'_> {
    // Facts may hold prompts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Glance").finish_non_exhaustive()
    }
}

const MOST_NOTES: usize = 64;
