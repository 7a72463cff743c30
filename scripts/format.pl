#!/usr/bin/perl
#
# What pgindent does and uncrustify does not: a name that is declared stands 12
# columns behind the indentation, its stars before that; white space that ends at
# a tab stop is tabs.  Reads C, prints C; scripts/format calls it.
use strict;
use warnings;

my $modifier = qr/(?:extern|static|const|volatile|unsigned|signed|struct|enum|union|register|inline|long|short|PGDLLEXPORT)/;
my $statement = qr/^(?:return|goto|else|case|typedef|do|sizeof|break|continue|default)$/;

# The column behind a text that begins at a column.
sub behind
{
	my ($text, $column) = @_;

	$column = $_ eq "\t" ? $column + 4 - $column % 4 : $column + 1 foreach split //, $text;
	return $column;
}

# White space from one column to another; one that is one column wide is a space.
sub blank
{
	my ($from, $to) = @_;
	my $text = '';

	while ($from + 4 - $from % 4 <= $to)
	{
		$text .= $from % 4 == 3 && $to < $from + 5 ? ' ' : "\t";
		$from += 4 - $from % 4;
	}
	return $text . ' ' x ($to - $from);
}

# A declaration: indentation, type, stars, name.
sub declaration
{
	my ($line) = @_;

	return $line if $line !~ /^(\t*)((?:$modifier )*[A-Za-z_]\w*)[ \t]+((?:\*+|\*+(?:const|volatile) )?)([A-Za-z_]\w*(?:[\[(;]|[ \t]*=[^=]|[ \t]*:[ \t]*\d|,).*)$/;
	my ($indent, $type, $stars, $rest) = ($1, $2, $3, $4);
	my ($last) = $type =~ /(\w+)$/;

	# a parameter on a line of its own, or the head of a function, is none
	return $line if $type =~ /\b(?:return|goto|else|case|typedef|do|sizeof)\b/ || $rest =~ /^\w+,/ && $rest !~ /;/ || $rest !~ /[;={\\,]\s*(?:\/\*.*)?$/ && $rest !~ /=/ || $rest =~ /^\w+\(/ && $rest !~ /;/ && $rest !~ /,$/;
	return $line if $rest =~ tr/(// < $rest =~ tr/)//;
	my $start = 4 * length $indent;
	my $at = length($type) + 1;
	(my $bare = $stars) =~ s/[^*]//g;
	$at = 12 - length $bare if $at < 12 - length $bare;
	return $indent . $type . blank($start + length $type, $start + $at) . $stars . $rest;
}

# White space within a line, outside strings and comments.
sub tabs
{
	my ($line) = @_;
	my ($out, $column) = ('', 0);

	while ($line =~ /\G(?:([ \t]+)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\/\*.*|\/\/.*|[^ \t"'\/]+|.))/g)
	{
		if (defined $1)
		{
			my $to = behind($1, $column);

			$out .= blank($column, $to);
			$column = $to;
		}
		else
		{
			$out .= $2;
			$column = behind($2, $column);
		}
	}
	return $out;
}

my $comment = 0;
while (my $line = <STDIN>)
{
	chomp $line;
	if (!$comment && $line !~ /^\s*(?:\/?\*|#\s*(?:include|error))/)
	{
		$line =~ s/\bforeach \(/foreach(/;
		$line =~ s/, \.\.\.\)/,...)/;
		$line =~ s/(\(\*\w+\))\(/$1 (/ if $line =~ /^\t\w/ && $line =~ /;/ && $line !~ /=/;
		$line = tabs(declaration($line));
	}
	$comment = 1 if $line =~ /\/\*(?!.*\*\/)/;
	$comment = 0 if $line =~ /\*\/[^\/]*$/ && $line !~ /\/\*(?!.*\*\/)/;
	print "$line\n";
}
