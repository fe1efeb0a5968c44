# Request Tracker as the tests run it: SQLite and all its files in RT_TEST_DIR, reached by browsers
# through the gateway at RT_TEST_PUBLIC (host:port), itself at RT_TEST_OWN (likewise), staff signed in by REMOTE_USER (see app.psgi).
use utf8;
my ($host, $port) = split /:/, $ENV{RT_TEST_PUBLIC};
my $dir = $ENV{RT_TEST_DIR};

Set($rtname, 'example.com');
Set($Organization, 'example.com');
Set($WebDomain, $host);
Set($WebPort, $port);
Set($WebPath, '');
# The gateway tells RT that pages come from where RT is: the address under which the gateway finds it.
Set(@ReferrerWhitelist, $ENV{RT_TEST_OWN});
Set($WebRemoteUserAuth, 1);
Set($WebFallbackToRTLogin, 0);
Set($WebRemoteUserContinuous, 1);

Set($DatabaseType, 'SQLite');
Set($DatabaseName, "$dir/rt.sqlite3");
Set($MasonDataDir, "$dir/mason");
Set($MasonSessionDir, "$dir/sessions");
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($MailCommand, 'testfile');
Set($SendmailPath, '/bin/true');
Set($Timezone, 'UTC');

# What real installations show their agents.
Set($UserSummaryExtraInfo, 'RealName, EmailAddress, WorkPhone, MobilePhone, Address1, Address2, City, Zip, Country, FreeformContactInfo');
Set($MoreAboutRequestorExtraInfo, 'RealName, WorkPhone, MobilePhone, Address1, City, FreeformContactInfo');
Set($UserSearchFields, { EmailAddress => 'STARTSWITH', Name => 'STARTSWITH', RealName => 'LIKE' });
1;
