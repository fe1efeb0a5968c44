//! What customers write about, and what they are told.

use crate::dice::Dice;

/// Something that customers write about.
#[derive(Debug)]
pub(crate) struct Topic {
    /// The team that answers; none means that nobody is routed to it, and somebody picks it.
    pub(crate) team: Option<&'static str>,
    pub(crate) subject: &'static str,
    pub(crate) openings: &'static [&'static str],
    pub(crate) reply: &'static str,
}

/// A topic, as often as it comes up.
pub(crate) fn topic(dice: &mut Dice) -> &'static Topic {
    dice.pick(TOPICS)
}

/// What a customer writes on a ticket that was answered before.
pub(crate) fn follow_up(dice: &mut Dice) -> &'static str {
    dice.pick::<&str>(FOLLOW_UPS)
}

static FOLLOW_UPS: &[&str] = &[
    "Thank you. It still looks the same on my side, could you check again?",
    "That helped, but now the second payment shows the same thing.",
    "Sorry for writing again. Is there any news on this?",
    "Here is the date you asked for: it was last Thursday, around noon.",
    "I tried what you said and the app now shows a different message.",
];

static TOPICS: &[Topic] = &[
    Topic {
        team: Some("payments"),
        subject: "Transfer has not arrived",
        openings: &[
            "I sent a transfer on Monday and it still has not arrived. The app says it is complete. Where is my money?",
            "My landlord says that the rent is not there. I sent it three days ago. Can you please check?",
        ],
        reply: "Hello, the receiving bank held the transfer for a check and has released it today. It should arrive within one working day.",
    },
    Topic {
        team: Some("payments"),
        subject: "Charged twice by a shop",
        openings: &[
            "The shop charged me twice for the same purchase, one minute apart. I only bought one thing!",
            "There are two identical card payments from yesterday in my list. One of them is wrong.",
        ],
        reply: "Hello, one of the two is a reservation that the shop has not released. It will fall away by itself within five days; I have made a note to check.",
    },
    Topic {
        team: Some("payments"),
        subject: "Refund missing",
        openings: &[
            "I returned shoes two weeks ago, and the shop says that the refund was sent on the 3rd. I cannot see it.",
        ],
        reply: "Hello, we have not received the refund yet. Please ask the shop for the reference number of the refund; with it we can trace it.",
    },
    Topic {
        team: Some("payments"),
        subject: "Direct debit I do not recognise",
        openings: &[
            "There is a direct debit on my account from a company that I have never heard of. Please stop it.",
            "I cancelled my contract in spring and they still take money every month.",
        ],
        reply: "Hello, I have returned the direct debit and blocked the sender. The amount is back in your account.",
    },
    Topic {
        team: Some("payments"),
        subject: "Wrong exchange rate",
        openings: &["The rate on my holiday payments is worse than the one the app showed me. Why?"],
        reply: "Hello, the app shows the rate of the moment, and the payment is settled with the rate of the day it is booked. I have credited the difference.",
    },
    Topic {
        team: Some("cards"),
        subject: "Card swallowed by a machine",
        openings: &[
            "The cash machine at the station kept my card. It is a weekend and I need it. What now?",
            "A machine abroad swallowed my card. Can you block it and send a new one to my address?",
        ],
        reply: "Hello, the card is blocked and a new one is on its way; it takes three to five working days. The virtual card in the app works at once.",
    },
    Topic {
        team: Some("cards"),
        subject: "Card declined abroad",
        openings: &[
            "My card was declined at the hotel although there is enough in my account. This is very embarrassing.",
        ],
        reply: "Hello, our system took the payment for an unusual one. I have noted your journey, and the card works again.",
    },
    Topic {
        team: Some("cards"),
        subject: "New card has not come",
        openings: &[
            "You sent me a new card two weeks ago and it has not come. Is the address right?",
            "Still no card. I moved recently, maybe it went to the old place.",
        ],
        reply: "Hello, the card came back to us as undeliverable. I have ordered a new one to the address in your profile.",
    },
    Topic {
        team: Some("cards"),
        subject: "Change the card limit",
        openings: &[
            "I want to buy a bicycle tomorrow and the limit of my card is too low. Can you raise it for a day?",
        ],
        reply: "Hello, the limit is raised until the day after tomorrow and goes back by itself.",
    },
    Topic {
        team: Some("cards"),
        subject: "Contactless stopped working",
        openings: &["Since yesterday I can only pay with the chip. Contactless does nothing."],
        reply: "Hello, please pay once with chip and PIN, that switches contactless on again. If it does not, we will send a new card.",
    },
    Topic {
        team: Some("accounts"),
        subject: "Please change my address",
        openings: &[
            "We moved last week. Please change my address, I cannot find where to do it in the app.",
            "My street was renamed by the town. How do I change it with you?",
        ],
        reply: "Hello, I have changed the address, and a confirmation letter is on its way to the old and the new one.",
    },
    Topic {
        team: Some("accounts"),
        subject: "Statement for the tax office",
        openings: &["I need a statement for last year for my tax return, with a stamp if possible."],
        reply: "Hello, the yearly statement is in the app under documents. It is valid without a stamp; the tax office accepts it.",
    },
    Topic {
        team: Some("accounts"),
        subject: "Name changed after marriage",
        openings: &["I married and took another name. What do you need from me?"],
        reply: "Hello, congratulations! Please upload the certificate in the app under profile; we will change the name within two days.",
    },
    Topic {
        team: Some("accounts"),
        subject: "Close my savings pot",
        openings: &["I would like to close the savings pot and move everything to the main account."],
        reply: "Hello, the pot is closed, and the balance with the interest up to today is in your main account.",
    },
    Topic {
        team: Some("accounts"),
        subject: "Question about interest",
        openings: &["The interest this quarter is less than I expected. How is it calculated?"],
        reply: "Hello, the rate changed on the first of the month. I have attached the two periods and how each was calculated.",
    },
    Topic {
        team: Some("access"),
        subject: "Cannot sign in after changing my phone",
        openings: &[
            "I have a new phone, and the app wants a confirmation from the old one, which is broken.",
            "New phone, and now I am locked out. Please help, I need to pay rent.",
        ],
        reply: "Hello, I have started the move to a new device. You will get a letter with a code; until then the website works with your card reader.",
    },
    Topic {
        team: Some("access"),
        subject: "Strange message in your name",
        openings: &[
            "I got a text message that says my account is blocked, with a link. Is it from you? I did not click.",
            "Somebody called and said they were from your security team. They knew my balance! Was that you?",
        ],
        reply: "Hello, that was not us; we never send links and never call about your balance. Well done for asking. I have put a watch on your account.",
    },
    Topic {
        team: Some("access"),
        subject: "Confirmation codes do not arrive",
        openings: &[
            "The text messages with the codes do not arrive since Saturday. My number has not changed.",
        ],
        reply: "Hello, your operator had a failure that is over now. I have switched you to codes in the app, which are quicker as well.",
    },
    Topic {
        team: Some("access"),
        subject: "App crashes when I open documents",
        openings: &["Each time I open a document the app closes. I updated it twice."],
        reply: "Hello, this is a fault in the latest version; the next one, due this week, repairs it. On the website documents work.",
    },
    Topic {
        team: None,
        subject: "Praise for a colleague of yours",
        openings: &[
            "Your colleague helped me very quickly last week. Please tell them that I was glad of it!",
        ],
        reply: "Hello, how kind of you to write. I have passed it on, and it made somebody's morning.",
    },
    Topic {
        team: None,
        subject: "Do you have an office?",
        openings: &["Is there an office where I can talk to a person? I do not like apps."],
        reply: "Hello, we have no offices, but we can call you at a time that you choose. Just answer with one.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::TEAMS;

    #[test]
    fn every_topic_is_routed_to_a_team_that_exists_or_to_nobody() {
        for topic in TOPICS {
            assert!(topic.team.is_none_or(|team| TEAMS.contains(&team)), "{}", topic.subject);
            assert!(!topic.openings.is_empty());
        }
    }
}
