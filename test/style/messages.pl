#!/usr/bin/perl
#
# Reads the messages of C files and of modules in SQL, and prints what PostgreSQL's
# style guide would not have: "file: text: what is wrong".  With -s, the
# messages that stand in more than four files of expected/ instead: whoever
# changes the wording of one would have to change them all.
use strict;
use warnings;

my $spread = @ARGV && $ARGV[0] eq '-s' ? shift : '';
my @messages;					# [file, kind, text]
my $c_text = qr/"((?:[^"\\]|\\.)*)"/;
my $sql_text = qr/'((?:[^']|'')*)'/;
my %kind = (errdetail => 'detail', errhint => 'hint', DETAIL => 'detail', HINT => 'hint');

for my $file (@ARGV)
{
	local $/;
	open my $in, '<', $file or die "$file: $!\n";
	my $text = <$in>;

	if ($file =~ /\.[ch]$/)
	{
		while ($text =~ /\b(errmsg|errmsg_plural|errdetail|errhint)\s*\(\s*$c_text\s*([,)])/g)
		{
			push @messages, [$file, $kind{$1} // 'message', $2 =~ s/\\"/"/gr];
		}
		# the third argument of wo_reason_make(), the second of conflict()
		while ($text =~ /\b(?:wo_reason\w*\s*\(\s*"\w+",\s*\w+|conflict\s*\(\s*"\w+"),\s*(?:psprintf\s*\(\s*)?$c_text/g)
		{
			push @messages, [$file, 'message', $1 =~ s/\\"/"/gr];
		}
	}
	else
	{
		while ($text =~ /\b(MESSAGE|DETAIL|HINT)\s*=\s*(?:format\()?$sql_text\s*(?=[,;)])/g)
		{
			push @messages, [$file, $kind{$1} // 'message', $2 =~ s/''/'/gr];
		}
	}
}

if ($spread)
{
	my %expected;

	for my $file (grep { !/\/iso_/ } glob 'expected/*.out')
	{
		local $/;
		open my $in, '<', $file or die "$file: $!\n";
		$expected{$file} = <$in>;
	}
	my %seen;
	for my $m (@messages)
	{
		my ($file, undef, $text) = @$m;
		my $place = qr/%(?:\d+\$)?-?l*[a-zA-Z]/;

		next if $seen{$text}++ || length($text =~ s/$place//gr) < 12;
		my $pattern = join '[^\n]*', map { quotemeta } split /$place/, $text, -1;
		my @in = grep { $expected{$_} =~ /$pattern/ } sort keys %expected;
		print "$text: @in\n" if @in > 4;
	}
	exit;
}

for my $m (@messages)
{
	my ($file, $kind, $text) = @$m;
	my @wrong;

	push @wrong, 'say "... does not exist"' if $kind eq 'message' && $text =~ /\b(?:there (?:is|are) (?:no|already)|no such|is not there)\b/i;
	push @wrong, 'begins in upper case' if $kind eq 'message' && $text =~ /^[A-Z][a-z]/;
	push @wrong, 'ends with a full stop' if $kind eq 'message' && $text =~ /[.!]$/;
	push @wrong, 'is no sentence' if $kind ne 'message' && $text =~ /\w$/ && $text !~ /%\w$/ && $text =~ / /;
	push @wrong, 'people are "they"' if $text =~ /\b(?:he|him|his|himself)\b/i;
	print "$file: $text: $_\n" for @wrong;
}
