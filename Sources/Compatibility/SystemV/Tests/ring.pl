# A ring of processes that hands a counter on, in Perl: its own shmget, shmread, shmwrite, semget and semop, and the
# modules that come with it. Arguments: number, how many, key.
use strict;
use warnings;
use IPC::SysV qw(IPC_CREAT IPC_PRIVATE S_IRUSR S_IWUSR ftok);
use IPC::Semaphore;
use IPC::SharedMem;

$| = 1;
my ($me, $all, $key) = @ARGV;
$key = $key =~ /^0/ ? oct $key : int $key;
my ($bytes, $rounds) = (40_000, 30);

sub check {
    my ($holds, $what) = @_;
    syswrite(STDOUT, ($holds ? "PASS" : "FAIL") . " $what [$me]\n");
    $main::failed++ unless $holds;
}

my $memory = shmget($key, $bytes, IPC_CREAT | 0600);
die "shmget: $!" unless defined $memory;
# One semaphore for each process: it is its turn. The one behind them counts who has ended.
my $turns = IPC::Semaphore->new($key, $all + 1, IPC_CREAT | S_IRUSR | S_IWUSR) or die "semget: $!";
$turns->op(0, 1, 0) if $me == 0;
for my $round (1 .. $rounds) {
    $turns->op($me, -1, 0) or die "semop: $!";
    my $text;
    shmread($memory, $text, 0, $bytes) or die "shmread: $!";
    my $counter = unpack("L", $text);
    die "round $round: $counter" unless $counter == ($round - 1) * $all + $me;
    shmwrite($memory, pack("L", $counter + 1) . chr(65 + $round % 26) x ($bytes - 4), 0, $bytes) or die "shmwrite: $!";
    $turns->op(($me + 1) % $all, 1, 0) or die "semop: $!";
}
check(1, "$rounds rounds");
my $shared = IPC::SharedMem->new($key, 0, 0) or die "IPC::SharedMem: $!";
$shared->attach or die "attach: $!";
check(substr($shared->read(0, $bytes), -1) eq chr(65 + $rounds % 26) || $me > 0, "IPC::SharedMem");
check($shared->stat->segsz == $bytes, "its size");
$shared->detach;
my $file_key = ftok("/etc/passwd", 7);
check(defined $file_key && $file_key != ftok("/etc/group", 7), "ftok");
$turns->op($all, 1, 0);
if ($me == 0) {
    $turns->op($all, -$all, 0);
    check($turns->getval(0) == 1, "the turn is back at the first");
    $shared->remove or die "remove: $!";
    $turns->remove or die "remove: $!";
}
exit($main::failed ? 1 : 0);
