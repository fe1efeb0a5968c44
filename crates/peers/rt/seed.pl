# People and tickets for the tests, none of whom exist. Arguments: customers, tickets. Prints one JSON object.
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib', '/usr/local/share/request-tracker5/lib';
use JSON;
use RT -init;

my $customers = $ARGV[0] || 20;
my $tickets = $ARGV[1] || 30;
my $system = RT->SystemUser;

sub made {
    my ($ok, $message) = @_;
    die "seed: $message\n" unless $ok;
    return $ok;
}

sub user {
    my (%fields) = @_;
    my $user = RT::User->new($system);
    made($user->Create(Privileged => 0, %fields));
    return $user;
}

my $queue = RT::Queue->new($system);
made($queue->Create(Name => 'Support', Description => 'Customers write here'));

my $group = RT::Group->new($system);
made($group->CreateUserDefinedGroup(Name => 'Support agents'));
my @rights = qw(SeeQueue ShowTicket ShowTicketComments OwnTicket TakeTicket StealTicket ReplyToTicket CommentOnTicket
    ModifyTicket CreateTicket ReassignTicket WatchAsAdminCc ShowOutgoingEmail);
made($group->PrincipalObj->GrantRight(Right => $_, Object => $queue)) for @rights;
made($group->PrincipalObj->GrantRight(Right => $_, Object => $RT::System))
    for qw(ShowConfigTab AdminUsers ModifySelf SeeSelfServiceGroupTicket LoadSavedSearch SeeGroup ShowAssetsMenu
        ShowUserHistory);

# Customers open their tickets themselves, as they would by mail.
my $everyone = RT::Group->new($system);
made($everyone->LoadSystemInternalGroup('Everyone'));
made($everyone->PrincipalObj->GrantRight(Right => $_, Object => $queue)) for qw(CreateTicket ReplyToTicket);

my %agents;
for my $name (qw(ana ben cleo dario)) {
    my $agent = user(Name => $name, RealName => ucfirst $name, EmailAddress => "$name\@support.example.com", Privileged => 1);
    made($group->AddMember($agent->Id));
    $agents{$name} = $agent->Id;
}
my $service = user(Name => 'sightline', RealName => 'Sightline', EmailAddress => 'sightline@support.example.com', Privileged => 1);
made($group->AddMember($service->Id));
made($service->PrincipalObj->GrantRight(Right => 'ManageAuthTokens', Object => $RT::System));
my ($token_id, $message, $token) =
    RT::AuthToken->new(RT::CurrentUser->new($service->Id))->Create(Owner => $service->Id, Description => 'feed');
die "seed: token: $message\n" unless $token_id;

my @first = qw(Jane Omar Lucia Pavel Ingrid Tomas Aisha Bruno Katya Nils);
my @last = qw(Doe Haddad Moreno Novak Larsen Silva Rahman Keller Orlova Berg);
my @people;
for my $n (1 .. $customers) {
    my ($first, $last) = ($first[$n % 10], $last[int($n / 10) % 10]);
    my $handle = lc("$first.$last") . ".$n";
    my $user = user(
        Name => "$handle\@example.org", RealName => "$first $last", EmailAddress => "$handle\@example.org",
        WorkPhone => sprintf('+1 202 555 %04d', $n), MobilePhone => sprintf('+44 7700 900%03d', $n % 1000),
        Address1 => "$n Harbour Road", City => 'Springfield', Zip => sprintf('%05d', 10000 + $n), Country => 'Nowhere',
        Organization => 'Private', FreeformContactInfo => "Prefers calls after six; passphrase hint: blue $n",
    );
    push @people, { id => $user->Id, name => "$first $last", email => "$handle\@example.org",
        phone => sprintf('+1 202 555 %04d', $n), address => "$n Harbour Road" };
}

my @subjects = ('Cannot log in', 'Where is my transfer?', 'Change of address', 'Card was declined', 'Close my account');
my @opened;
for my $n (1 .. $tickets) {
    my $person = $people[($n - 1) % @people];
    my $requestor = RT::CurrentUser->new($person->{id});
    my $mime = MIME::Entity->build(Type => 'text/plain', Charset => 'utf-8',
        Data => ["Hello, this is $person->{name}. Please help me with this.\nYou can reach me at $person->{phone}.\n"]);
    my ($id, undef, $message) = RT::Ticket->new($requestor)->Create(
        Queue => 'Support', Subject => $subjects[$n % @subjects] . " ($n)", Requestor => $person->{email}, MIMEObj => $mime);
    die "seed: ticket: $message\n" unless $id;
    # The router gives every other ticket to an agent.
    my $owner = $n % 2 == 0 ? (sort keys %agents)[($n / 2) % 4] : undef;
    if (defined $owner) {
        my $routed = RT::Ticket->new($system);
        $routed->Load($id);
        made($routed->SetOwner($agents{$owner}, 'Force'));
    }
    push @opened, { id => $id, customer => $person->{id}, owner => $owner };
}

print JSON->new->canonical->encode(
    { agents => \%agents, customers => \@people, tickets => \@opened, token => $token }), "\n";
