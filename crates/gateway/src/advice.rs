//! What people are told when a request is refused: what happened, and what to do next.

use http::StatusCode;
use model::entry::Why;

const LOG_IN: &str = "Log in";

/// The words for one kind of refusal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Advice {
    /// The word that the stable `type` of the problem document is made of.
    kind: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    /// What happened.
    pub(crate) what: &'static str,
    /// What to do next.
    pub(crate) next: &'static str,
    /// What the button says that leads on, where there is a page for it.
    pub(crate) way_on: &'static str,
}

impl Advice {
    /// Nobody is logged in.
    pub(crate) const NOT_LOGGED_IN: Self = Self {
        kind: "not_logged_in",
        status: StatusCode::UNAUTHORIZED,
        title: "Please log in",
        what: "Nobody is logged in here.",
        next: "Log in at /.sightline/login and try again.",
        way_on: LOG_IN,
    };

    /// The stable `type` of the problem document.
    pub(crate) fn problem_type(&self) -> String {
        format!("urn:sightline:problem:{}", self.kind.replace('_', "-"))
    }

    /// The words for this reason.
    pub(crate) fn on(why: Why) -> Self {
        let (status, title, what, next) = words(why);
        let way_on = match why {
            Why::SessionEnded => LOG_IN,
            Why::StepUp => "Log in afresh",
            _ => "Say why you need it",
        };
        Self { kind: why.word(), status, title, what, next, way_on }
    }
}

/// Status, title, what happened, what to do next.
type Words = (StatusCode, &'static str, &'static str, &'static str);

fn words(why: Why) -> Words {
    match why {
        Why::NoReason => (
            StatusCode::FORBIDDEN,
            "Why do you need this customer?",
            "No ticket of yours leads to this customer, so Sightline does not show the record yet.",
            "Say what you need it for, or open it from the customer's ticket.",
        ),
        Why::WeakBudget => (
            StatusCode::FORBIDDEN,
            "No unexplained looks left in this shift",
            "You have opened as many customers without a routed or assigned ticket as one shift allows.",
            "Ask your team lead to assign the customer's ticket to you; then the record opens at once. Customers \
             whose tickets are yours are not affected.",
        ),
        Why::HighValueBudget => (
            StatusCode::FORBIDDEN,
            "This customer needs a ticket that is assigned to you",
            "Customers of this kind can be opened without a routed or assigned ticket only once a shift, and that \
             look is used.",
            "Ask your team lead to assign the customer's ticket to you; then the record opens at once.",
        ),
        Why::ListingBudget => (
            StatusCode::TOO_MANY_REQUESTS,
            "No more lists in this shift",
            "The lists and search results of this shift have shown as many customers as one shift allows.",
            "Open customers from your tickets, or search for the exact identifier that the customer gave. If your \
             work needs long lists, talk to your team lead.",
        ),
        Why::Policy => (
            StatusCode::FORBIDDEN,
            "Your role does not see this",
            "The policy lets your role see nothing of this customer.",
            "If your work needs it, ask your team lead: they can take over the ticket or have the policy changed.",
        ),
        Why::SessionRevoked => (
            StatusCode::FORBIDDEN,
            "Your access was withdrawn",
            "Somebody responsible for security has ended this session. Nothing was shown after that.",
            "Talk to your team lead or to the security team, and give them the reference number below.",
        ),
        Why::SessionEnded => (
            StatusCode::UNAUTHORIZED,
            "Your session is over",
            "Sessions end after a while, for your safety.",
            "Log in again to go on where you were.",
        ),
        Why::StaffInactive => (
            StatusCode::FORBIDDEN,
            "Your account is not active",
            "Your staff account is suspended or closed.",
            "Talk to your team lead, and give them the reference number below.",
        ),
        Why::GrantRevoked => (
            StatusCode::FORBIDDEN,
            "Access to this customer was withdrawn",
            "Somebody responsible for security has withdrawn your access to this customer.",
            "Talk to your team lead, and give them the reference number below.",
        ),
        Why::GrantExpired => (
            StatusCode::FORBIDDEN,
            "Access to this customer has run out",
            "Access is given for the time that a ticket usually takes, and that time is over.",
            "Open the page again: if the ticket is still yours, access is renewed at once.",
        ),
        Why::UnknownRoute => (
            StatusCode::FORBIDDEN,
            "Sightline does not know this page",
            "Nothing says which customers this page or connection shows, so it stays closed.",
            "If your work needs it, send the reference number to whoever runs Sightline: they can teach it this page.",
        ),
        Why::UnreadableAnswer => (
            StatusCode::BAD_GATEWAY,
            "The app's answer could not be checked",
            "The app answered in a way that Sightline cannot read, so nothing of it is shown.",
            "Try again. If it happens again, send the reference number to whoever runs Sightline.",
        ),
        Why::MaskedWrite => (
            StatusCode::CONFLICT,
            "Nothing was saved",
            "The form held a masked value that could not be put back, and saving it would have destroyed the \
             customer's data.",
            "Open the form again and save it without touching masked fields, or ask for the field first.",
        ),
        Why::AppTimeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "The app did not answer in time",
            "Sightline has passed your request on, and the app has not answered.",
            "Wait a moment and try again. If you were saving something, check first whether it was saved.",
        ),
        Why::AppUnreachable => (
            StatusCode::BAD_GATEWAY,
            "The app cannot be reached",
            "The app does not answer, or it broke off in the middle of its answer.",
            "Wait a moment and try again. If you were saving something, check first whether it was saved.",
        ),
        Why::AnswerTooLarge => (
            StatusCode::BAD_GATEWAY,
            "The answer is too large",
            "The app's answer is larger than Sightline may read, so nothing of it is shown.",
            "Narrow down what you ask for. If your work needs it, talk to whoever runs Sightline.",
        ),
        Why::BadRequest => (
            StatusCode::BAD_REQUEST,
            "This request cannot be understood",
            "The request is malformed, or larger than the limit.",
            "Go back, reload the page and try again.",
        ),
        Why::ForgedForm => (
            StatusCode::FORBIDDEN,
            "This form was not sent from here",
            "The request did not come from a page of this site, or the page was open for too long.",
            "Open the page again and send the form from there.",
        ),
        Why::Stale => (
            StatusCode::CONFLICT,
            "Something changed in the meantime",
            "While the page was being prepared, your access or the settings changed.",
            "Open the page again.",
        ),
        Why::LedgerUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Nothing can be recorded, so nothing is shown",
            "Sightline shows customers only when it can record the look, and it cannot do so now. For the same \
             reason this page has no reference number.",
            "Try again in a minute. If a customer is waiting, ask your admin about the break-glass procedure.",
        ),
        Why::Unwitnessed => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The record is not confirmed from outside, so nothing is shown",
            "Sightline shows customers only while independent witnesses confirm that its record is complete, and \
             they have not done so for too long. This has nothing to do with you or with what you asked for.",
            "Try again in a few minutes: it opens by itself when the witnesses answer. If a customer is waiting, \
             send the reference number to whoever runs Sightline; two administrators can open it for a while.",
        ),
        Why::NotPermitted => (
            StatusCode::FORBIDDEN,
            "Your role does not permit this",
            "What was asked for is for others to do.",
            "If your work needs it, ask your admin.",
        ),
        Why::NoSuchProposal => (
            StatusCode::NOT_FOUND,
            "There is no such proposal",
            "It was decided, it has expired, or it never was.",
            "Open the list of decisions again.",
        ),
        Why::StepUp => (
            StatusCode::FORBIDDEN,
            "Please log in afresh and say what you are working on",
            "Some of your recent looks differ from what is usual for you. That is a lead, not a verdict: a busy day, a \
             special task or somebody else at your account would look the same.",
            "A fresh login and one answer open your work again at once. If you think that somebody else uses your \
             account, tell the security team.",
        ),
        Why::Throttled => (
            StatusCode::TOO_MANY_REQUESTS,
            "One new customer at a time, for now",
            "Some of your recent looks differ from what is usual for you, so new customers open one by one, some \
             minutes apart, until somebody has looked at it. That is a lead, not a verdict.",
            "Customers whom you have open stay open. Wait a few minutes, or ask your team lead: they can reach the \
             people who look into it, and one of them can lift it.",
        ),
        Why::Suspended => (
            StatusCode::FORBIDDEN,
            "Your access is paused while two people look into it",
            "Some of your recent looks have no reason that Sightline knows. That is a lead, not a verdict: nobody has \
             decided anything about you.",
            "Talk to your team lead, and give them the reference number below. Two people look into it, hear what you \
             have to say, and can open your access again.",
        ),
        Why::AlreadyConfirmed => (
            StatusCode::CONFLICT,
            "You have confirmed this before",
            "It takes two different administrators, and you are one of them.",
            "Ask another administrator to confirm it.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_stable_type_and_says_what_to_do_next() {
        assert_eq!(Advice::on(Why::WeakBudget).problem_type(), "urn:sightline:problem:weak-budget");
        let reasons = Why::ALL;
        let types: std::collections::HashSet<_> =
            reasons.iter().map(|why| Advice::on(*why).problem_type()).collect();
        assert_eq!(types.len(), reasons.len());
        for why in reasons {
            let advice = Advice::on(*why);
            assert!(advice.next.ends_with('.') && advice.status.as_u16() >= 400);
        }
    }
}
