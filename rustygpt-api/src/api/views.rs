//! What the use-cases answer, as it goes over the wire, and back.

use rustygpt_common::accounts::{
    AccountUsageView, AccountView, AuditFileView, AuditView, ExportAnswer, IdentityView,
    KeyRequest, KeyView, NewKeyAnswer, PeriodName, RoleName, ScopeName, SettingView, SignInView,
    SignedInAnswer, StateName, TaskView, TokenQuota, UsageView,
};
use rustygpt_orchestrator::access::{Role, Scope};
use rustygpt_orchestrator::accounts::{
    Account, AccountState, AuditEntry, AuditOutcome, Export, KeptKey, KeyWish, LinkedIdentity,
    Quota, QuotaPeriod, Session, SessionId, ShownKey, ShownSetting, SignedIn, Task, Timestamp,
    UsageDay,
};
use rustygpt_orchestrator::tasks::AuditFile;

fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

pub(super) fn role(name: RoleName) -> Role {
    match name {
        RoleName::Admin => Role::Admin,
        RoleName::User => Role::User,
        RoleName::ReadOnly => Role::ReadOnly,
    }
}

pub(super) fn state(name: StateName) -> AccountState {
    match name {
        StateName::Active => AccountState::Active,
        StateName::Disabled => AccountState::Disabled,
    }
}

pub(super) fn account(account: Account) -> AccountView {
    AccountView {
        id: account.id.to_string(),
        email: account.email,
        name: account.name,
        role: match account.role {
            Role::Admin => RoleName::Admin,
            Role::User => RoleName::User,
            Role::ReadOnly => RoleName::ReadOnly,
        },
        state: match account.state {
            AccountState::Active => StateName::Active,
            AccountState::Disabled => StateName::Disabled,
        },
        has_second_factor: account.has_totp,
        has_password: account.has_password,
        created: seconds(account.created_at),
    }
}

pub(super) fn signed_in(signed_in: SignedIn) -> SignedInAnswer {
    SignedInAnswer {
        account: account(signed_in.account),
        sign_in: signed_in.session.to_string(),
        access_token: signed_in.access_token,
        token_type: "Bearer".to_owned(),
        expires_in: signed_in.access_expires_in.as_secs(),
        proof: signed_in.proof,
    }
}

pub(super) fn sign_in(session: Session, this_one: Option<SessionId>) -> SignInView {
    SignInView {
        id: session.id.to_string(),
        is_this_one: this_one == Some(session.id),
        address: session.address,
        user_agent: session.user_agent,
        created: seconds(session.created_at),
        refreshed: seconds(session.refreshed_at),
        expires: seconds(session.expires_at),
    }
}

pub(super) fn key(key: KeptKey) -> KeyView {
    let scope = |scope: &Scope| match scope {
        Scope::Inference => ScopeName::Inference,
        Scope::Read => ScopeName::Read,
        Scope::Write => ScopeName::Write,
        Scope::Admin => ScopeName::Admin,
    };
    let quota = |quota: Quota| TokenQuota {
        tokens: quota.tokens,
        period: match quota.period {
            QuotaPeriod::Day => PeriodName::Day,
            QuotaPeriod::Month => PeriodName::Month,
        },
    };
    KeyView {
        id: key.id.to_string(),
        name: key.name,
        hint: key.hint,
        scopes: key.scopes.iter().map(scope).collect(),
        created: seconds(key.created_at),
        expires: key.expires_at.map(seconds),
        last_used: key.last_used_at.map(seconds),
        revoked: key.revoked_at.map(seconds),
        requests_per_minute: key.requests_per_minute,
        quota: key.quota.map(quota),
    }
}

pub(super) fn new_key(shown: ShownKey) -> NewKeyAnswer {
    NewKeyAnswer {
        secret: shown.secret.reveal().to_owned(),
        key: key(shown.kept),
    }
}

pub(super) fn wish(request: KeyRequest) -> KeyWish {
    let scope = |name: ScopeName| match name {
        ScopeName::Inference => Scope::Inference,
        ScopeName::Read => Scope::Read,
        ScopeName::Write => Scope::Write,
        ScopeName::Admin => Scope::Admin,
    };
    let quota = |quota: TokenQuota| Quota {
        tokens: quota.tokens,
        period: match quota.period {
            PeriodName::Day => QuotaPeriod::Day,
            PeriodName::Month => QuotaPeriod::Month,
        },
    };
    KeyWish {
        name: request.name,
        scopes: request.scopes.into_iter().map(scope).collect(),
        expires_at: request
            .expires
            .map(|seconds| Timestamp(seconds.saturating_mul(1000))),
        requests_per_minute: request.requests_per_minute,
        quota: request.quota.map(quota),
    }
}

pub(super) fn usage(day: UsageDay) -> UsageView {
    UsageView {
        day: seconds(day.day),
        key: day.key.map(|key| key.to_string()),
        model: day.model,
        requests: day.requests,
        prompt_tokens: day.prompt_tokens,
        completion_tokens: day.completion_tokens,
    }
}

pub(super) fn account_usage(day: UsageDay) -> AccountUsageView {
    AccountUsageView {
        account: day.account.to_string(),
        usage: usage(day),
    }
}

pub(super) fn audit_file(file: AuditFile) -> AuditFileView {
    AuditFileView {
        name: file.name,
        bytes: file.bytes,
        written: seconds(file.written_at),
    }
}

pub(super) fn audit(entry: AuditEntry) -> AuditView {
    let outcome = match entry.outcome {
        AuditOutcome::Done => "done",
        AuditOutcome::Refused => "refused",
        AuditOutcome::Failed => "failed",
    };
    AuditView {
        sequence: entry.sequence,
        at: entry.at.0,
        by: entry.by.account().map(|id| id.to_string()),
        action: entry.action,
        object: entry.object,
        outcome: outcome.to_owned(),
        request: entry.request,
        address: entry.address,
        detail: entry.detail,
        hash: entry
            .hash
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    }
}

pub(super) fn identity(linked: LinkedIdentity) -> IdentityView {
    let identity = linked.identity;
    IdentityView {
        id: linked.id.to_string(),
        issuer: identity.issuer,
        subject: identity.subject,
        email: identity.email,
        linked: seconds(identity.linked_at),
    }
}

pub(super) fn export(export: Export, this_one: Option<SessionId>) -> ExportAnswer {
    let sessions = export.sessions.into_iter();
    ExportAnswer {
        account: account(export.account),
        identities: export
            .identities
            .into_iter()
            .map(|one| identity(one.into()))
            .collect(),
        sign_ins: sessions.map(|session| sign_in(session, this_one)).collect(),
        keys: export.keys.into_iter().map(key).collect(),
        usage: export.usage.into_iter().map(usage).collect(),
        audit: export.audit.into_iter().map(audit).collect(),
    }
}

pub(super) fn setting(setting: ShownSetting) -> SettingView {
    SettingView {
        name: setting.name,
        value: setting.value,
        source: setting.source,
        revision: setting.revision,
        is_changeable: setting.is_changeable,
    }
}

pub(super) fn task(task: Task) -> TaskView {
    TaskView {
        id: task.id.to_string(),
        kind: task.kind,
        state: task.state.name().to_owned(),
        account: task.account.map(|id| id.to_string()),
        attempts: task.attempts,
        max_attempts: task.max_attempts,
        last_error: task.last_error,
        created: seconds(task.created_at),
        run_at: seconds(task.run_at),
        finished: task.finished_at.map(seconds),
    }
}
