use std::sync::Arc;

use tollgate_core::fact::{Allotment, Clearance, Permissions, Principal, Scope, Terms};

/// What a key or a group says about all that are below it, who share it. What does not restrict is absent.
pub(super) struct Restrictions {
    permissions: Option<Arc<Permissions>>,
    allotment: Option<Allotment>,
    classification: Option<Clearance>,
}

impl Restrictions {
    pub(super) fn new(
        (scope, account): (Scope, &Arc<str>),
        permissions: Permissions,
        terms: Terms,
        classification: Option<Clearance>,
    ) -> Self {
        Self {
            permissions: (permissions != Permissions::default()).then(|| Arc::new(permissions)),
            allotment: (!terms.is_empty()).then(|| Allotment {
                scope,
                account: Arc::clone(account),
                terms: Arc::new(terms),
            }),
            classification,
        }
    }

    /// A principal that is restricted by them, once also if it was before.
    pub(super) fn on(&self, mut principal: Principal) -> Principal {
        if let Some(permissions) = &self.permissions
            && !principal.permissions().contains(permissions)
        {
            principal = principal.with_permissions(Arc::clone(permissions));
        }
        if let Some(allotment) = &self.allotment
            && !principal.allotments().contains(allotment)
        {
            principal = principal.with_allotment(allotment.clone());
        }
        match self.classification {
            Some(class) if principal.clearance() < Some(class) => principal.with_clearance(class),
            _ => principal,
        }
    }
}
