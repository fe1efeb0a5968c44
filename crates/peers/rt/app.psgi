# Signs in whoever the gateway names, if the gateway proves that it is the gateway. What a browser sends in
# these headers is worth nothing without the secret. For a real installation: set SIGHTLINE_SECRET_FILE and
# start this file with plackup instead of rt-server.
use strict;
use warnings;

my $file = $ENV{SIGHTLINE_SECRET_FILE} or die "SIGHTLINE_SECRET_FILE is not set\n";
open my $in, '<', $file or die "$file: $!\n";
chomp(my $secret = <$in>);
close $in;
die "$file is empty\n" unless length $secret;

my $rt = do '/usr/share/request-tracker5/libexec/rt-server' or die "rt-server did not load: $@ $!\n";

sub {
    my $env = shift;
    my $said = delete $env->{HTTP_X_SIGHTLINE_SECRET} // '';
    my $user = delete $env->{HTTP_X_REMOTE_USER};
    delete $env->{REMOTE_USER};
    $env->{REMOTE_USER} = $user if defined $user && length $user && $said eq $secret;
    return $rt->($env);
};
